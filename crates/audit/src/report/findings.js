// What a person should look at: denials, gaps, limits, risky files, weaknesses, secrets.

function showFindings(page) {
  const { model } = page;
  const items = [gaps, refusals, limits, risks, weaknesses, secrets].flatMap((look) => look(model));
  // The worst first, else in this order.
  const weight = ({ level }) => ["bad", "risk", ""].indexOf(level);
  items.sort((a, b) => weight(a) - weight(b));
  const elements = items.map(({ level, tab, parts }) => {
    const item = el("li", level, ...parts);
    if (tab) item.append(" ", page.opener(tab));
    return item;
  });
  const section = document.getElementById("findings");
  section.querySelector("ul").replaceChildren(...elements);
  section.hidden = items.length === 0;
}

function eventsOf(model, type) {
  return model.records.flatMap(({ e }) => (e.type === type ? [e] : []));
}

/** Sums by name, in the order of the first. */
function sums(events, name, number) {
  const all = new Map();
  for (const event of events) all.set(name(event), (all.get(name(event)) ?? 0) + number(event));
  return [...all];
}

/** The first few as code, with commas. */
function some(names, most = 3) {
  const shown = names.slice(0, most).flatMap((name, index) => [index > 0 ? ", " : "", code(name)]);
  return names.length > most ? [...shown, ` and ${count(names.length - most)} more`] : shown;
}

function gaps(model) {
  const cut = eventsOf(model, "log_opened").filter((event) => event.cut).length;
  const killed = `The writer was killed ${many(cut, "time")}: what it had not finished writing is lost.`;
  const suppressed = sums(
    eventsOf(model, "suppressed"),
    (event) => event.kind,
    (event) => event.count,
  );
  const missing = suppressed.slice(0, 5).map(([kind, number]) => ({
    level: "risk",
    parts: [`Not everything is recorded: ${many(number, "event")} of kind `, code(kind), " came too fast."],
  }));
  return cut > 0 ? [{ level: "bad", parts: [killed] }, ...missing] : missing;
}

function refusals(model) {
  const [top] = denialsOf(model.records).sort((a, b) => b.times - a.times);
  if (!top) return [];
  const what = el("b", "", short(top.denial.what, 120));
  const often = top.times > 1 ? ` (${many(top.times, "time")}).` : ".";
  const parts =
    top.times === model.root.denied
      ? [`${many(model.root.denied, "denial")}: `, what, "."]
      : [`${many(model.root.denied, "denial")}; the most frequent: `, what, often];
  return [{ level: "bad", tab: "denials", parts }];
}

function limits(model) {
  const hit = sums(
    eventsOf(model, "limit_hit"),
    (event) => event.limit,
    () => 1,
  );
  return hit.slice(0, 5).map(([limit, number]) => {
    const often = number > 1 ? " " + many(number, "time") : "";
    const text = `The ${short(limit, 40).replaceAll("_", " ")} limit was hit${often}.`;
    return { level: "risk", tab: "denials", parts: [text] };
  });
}

function risks(model) {
  const risky = filesOf(model.records).filter((row) => row.risks.size > 0);
  if (risky.length === 0) return [];
  const needs = many(risky.length, "changed file needs", "changed files need");
  const names = some(risky.map((row) => row.path));
  return [{ level: "risk", tab: "files", parts: [`${needs} a second look: `, ...names, "."] }];
}

function weaknesses(model) {
  const found = new Set();
  for (const layer of eventsOf(model, "session_started").flatMap((event) => event.enforcement)) {
    for (const weakness of layer.weaknesses ?? []) found.add(`${layer.layer}: ${weakness}`);
    if (layer.state === "absent") found.add(`${layer.layer}: absent`);
  }
  return [...found].slice(0, 8).map((text) => ({ level: "risk", parts: ["Weaker than asked — ", short(text)] }));
}

function secrets(model) {
  const hosts = new Map();
  for (const { name, host } of eventsOf(model, "secret_used")) {
    if (!hosts.has(name)) hosts.set(name, new Set());
    hosts.get(name).add(host);
  }
  return [...hosts].slice(0, 8).map(([name, all]) => ({
    level: "",
    tab: "hosts",
    parts: ["The secret ", code(name), " was sent to ", ...some([...all]), "."],
  }));
}
