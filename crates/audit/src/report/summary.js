// The head of the page: figures, activity, and what a person should look at.

function showSummary(page) {
  const { root, records, sessions } = page.model;
  const when = document.getElementById("when");
  when.replaceChildren();
  const opened = records.find((record) => record.e.type === "log_opened");
  const parts =
    records.length === 0
      ? ["The log is empty."]
      : [between(root.start, root.end), duration(root.end - root.start), many(records.length, "record")];
  if (opened) parts.push("written by " + short(opened.e.writer, 80));
  say(when, parts.join(" · "));

  const refused = new Set();
  const programs = new Set();
  let failed = 0;
  let risky = 0;
  for (const { e: event } of records) {
    if (event.type === "network" && event.denial) refused.add(event.host);
    else if (event.type === "exec") programs.add(event.path);
    else if (event.type === "tool_call_ended" && event.error) failed++;
    else if (event.type === "file_changed" && event.risks) risky++;
  }
  const unlike = [...page.model.commands.values()].filter(({ last }) => last && last.e.code !== 0).length;
  const figures = [
    ["Sessions", sessions.size, ""],
    ["Tool calls", root.calls, failed > 0 ? `${count(failed)} failed` : ""],
    ["Commands", root.commands, unlike > 0 ? `${count(unlike)} without success` : ""],
    ["Programs run", root.programs, programs.size > 0 ? `${count(programs.size)} different` : ""],
    ["Hosts reached", root.hosts?.size ?? 0, refused.size > 0 ? `${count(refused.size)} refused` : ""],
    ["Files changed", root.files?.size ?? 0, risky > 0 ? `${count(risky)} risky` : ""],
    ["Secrets used", root.secrets?.size ?? 0, ""],
    ["Denials", root.denied, ""],
  ];
  const list = document.getElementById("figures");
  list.replaceChildren(
    ...figures.map(([name, number, note]) => {
      const tile = el("div", name === "Denials" && number > 0 ? "tile bad" : "tile");
      tile.append(el("dt", "", name), el("dd", "", el("b", "", count(number)), " ", el("small", "", note)));
      return tile;
    }),
  );
  showActivity(page.model);
  showFindings(page);
}

/** How much happened when, with denials below. */
function showActivity(model) {
  const whole = model.root.end - model.root.start;
  if (whole <= 0) return;
  const places = 160;
  const all = new Float64Array(places);
  const denied = new Float64Array(places);
  for (const record of model.records) {
    const at = Math.max(0, Math.min(places - 1, Math.floor(((record.t - model.root.start) / whole) * places)));
    all[at]++;
    if (record.e.denial) denied[at] += times(record.e);
  }
  const most = Math.max(...all);
  const shapes = [];
  for (let at = 0; at < places; at++) {
    // The root makes quiet times visible beside busy ones.
    const height = all[at] > 0 ? Math.max(1.5, Math.sqrt(all[at] / most) * 30) : 0;
    if (height > 0) shapes.push(svg("rect", { class: "some", x: at * 5 + 0.5, y: 31 - height, width: 4, height }));
    if (denied[at] > 0)
      shapes.push(svg("rect", { class: "refused", x: at * 5 + 0.5, y: 33, width: 4, height: 5 }));
  }
  const activity = document.getElementById("activity");
  activity.append(
    svg(
      "svg",
      {
        viewBox: `0 0 ${places * 5} 38`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": "Events over time; marks below the line are denials",
      },
      ...shapes,
    ),
  );
  activity.append(
    el(
      "div",
      "ends quiet",
      el("span", "", clock(model.root.start)),
      el("span", "", model.root.denied > 0 ? "events, with denials marked below" : "events"),
      el("span", "", clock(model.root.end)),
    ),
  );
  activity.hidden = false;
}
