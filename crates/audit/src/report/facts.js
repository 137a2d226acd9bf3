// An event in one line, and everything that is known about it.

const LABELS = new Map([
  ["tool_call_started", "tool"],
  ["tool_call_ended", "tool"],
  ["exec", "run"],
  ["network", "net"],
  ["syscall_denied", "call"],
  ["file_denied", "file"],
  ["access_denied", "access"],
  ["file_changed", "file"],
  ["secret_used", "secret"],
  ["limit_hit", "limit"],
  ["note", "note"],
  ["session_started", "session"],
  ["session_ended", "session"],
  ["suppressed", "gap"],
]);

const ACTS = new Map([
  ["lookup", "look up"],
  ["opening", "about to connect to"],
  ["connection", "connect to"],
  ["request", "request to"],
  ["signature", "sign with key"],
  ["forward", "forward to"],
  ["publish", "publish"],
  ["proxy", "refused proxy request by"],
]);

function labelOf(event) {
  return LABELS.get(event.type) ?? (event.type.startsWith("command") ? "command" : "log");
}

function code(text) {
  return el("code", "", short(text));
}

function place(event) {
  return event.host + (event.port === undefined ? "" : ":" + event.port);
}

function traffic(event) {
  const parts = [];
  if (event.sent) parts.push("↑ " + bytes(event.sent));
  if (event.received) parts.push("↓ " + bytes(event.received));
  return parts.length > 0 ? el("span", "quiet figures", parts.join("  ")) : null;
}

/** The parts of an event's line. */
function lineOf(event) {
  switch (event.type) {
    case "exec":
      return [
        code(event.argv.length > 0 ? quoted(event.argv) : event.path),
        el("span", "quiet", "pid " + event.pid),
      ];
    case "network": {
      const what = [el("span", "quiet", ACTS.get(event.what) ?? event.what), code(place(event))];
      if (event.request) what.push(code(event.request.join(" ")));
      return [...what, traffic(event)];
    }
    case "syscall_denied":
      return [code(event.syscall + "()"), el("span", "quiet", "pid " + event.pid)];
    case "file_denied":
      return [code(event.path)];
    case "access_denied":
      return [code(event.right), event.object ? el("span", "quiet", short(event.object, 120)) : null];
    case "file_changed":
      return [
        el("span", "change " + changeClass(event.change), event.change),
        code(event.path),
        ...(event.risks ?? []).map((risk) => el("span", "chip risk", short(risk, 120))),
        event.state === "direct" ? null : el("span", "quiet", event.state),
      ];
    case "secret_used":
      return [code(event.name), el("span", "quiet", "sent to"), code(event.host)];
    case "limit_hit":
      return [event.limit.replaceAll("_", " ") + " limit hit"];
    case "note":
      return [
        short(event.name),
        el("span", "quiet", short(Object.values(event.attributes ?? {}).join(" · "), 200)),
      ];
    case "session_started":
      return ["Sandbox put up", event.workspace ? code(event.workspace) : null, weakOf(event)];
    case "session_ended":
      return ["Sandbox gone", el("span", "quiet", used(event.usage))];
    case "suppressed":
      return [`${many(event.count, "event")} of kind`, code(event.kind), "were too many to record"];
    case "log_opened":
      return [
        "Log opened by",
        code(event.writer),
        event.cut ? el("span", "chip risk", `${bytes(event.cut)} of an unfinished line were cut off`) : null,
      ];
    case "head":
      return ["Signed up to here"];
    case "log_closed":
      return event.next ? ["Continued in", code(event.next)] : ["Log closed"];
    case "tool_call_started":
    case "tool_call_ended":
      return [event.type === "tool_call_started" ? "began: " + short(event.tool) : "ended"];
    case "command_started":
    case "command_failed":
      return [code(quoted(event.argv))];
    case "command_ended":
      return [endOf(event)];
    default:
      return ["An event of a kind that this version does not know"];
  }
}

function changeClass(change) {
  return ["added", "modified", "deleted", "mode", "type"].includes(change) ? change : "";
}

function weakOf(event) {
  const weak = event.enforcement.filter((layer) => layer.state !== "enforced" && layer.state !== "off");
  return weak.length > 0
    ? el("span", "chip risk", weak.map((layer) => `${layer.layer} ${layer.state}`).join(", "))
    : null;
}

/** How a command ended, as a chip. */
function endOf(event) {
  if (event.type === "command_failed") return el("span", "chip bad", "not started");
  if (event.signal !== undefined) return el("span", "chip bad", "signal " + event.signal);
  return el("span", event.code === 0 ? "chip" : "chip risk", "exit " + (event.code ?? "unknown"));
}

function used(usage) {
  const memory = usage.peak_memory ?? usage.max_rss;
  return `${duration(usage.wall_us)}, processor ${duration(usage.user_us + usage.system_us)}, memory ${bytes(memory)}`;
}

/** What was refused, why, and what to do: never hidden behind a click. */
function denialOf(event) {
  const denial = event.denial;
  const element = el("span", "denial");
  element.append(el("strong", "", denial.confidence === "inferred" ? "Probably refused:" : "Refused:"));
  element.append(" ", el("span", "", short(denial.reason)));
  if (denial.remedy) element.append(" ", el("span", "remedy", short(denial.remedy)));
  return element;
}

/** Names and values of everything that is recorded. */
function factsOf(record) {
  const list = el("dl", "facts");
  const fact = (name, value) => {
    const definition = el("dd");
    say(definition, value, true);
    list.append(el("dt", "", name), definition);
  };
  fact("time", fullTime(record.t));
  for (const [name, value] of Object.entries(record.e)) {
    if (name !== "type") facts(fact, name, value);
  }
  if (record.s !== undefined) fact("session", String(record.s));
  if (record.c !== undefined) fact("command", String(record.c));
  if (record.p !== undefined) fact("span", record.p);
  fact("record", `${record.n} (${record.e.type})`);
  return list;
}

function facts(fact, name, value) {
  if (name === "argv") fact("arguments", quoted(value));
  else if (name === "parameters") for (const [key, text] of value) fact(key || "parameters", text);
  else if (name === "enforcement") {
    for (const layer of value) fact(layer.layer, [layer.state, ...(layer.weaknesses ?? [])].join("; "));
  } else if (name === "usage") {
    fact("used", used(value));
    if (value.peak_processes !== undefined) fact("most processes", count(value.peak_processes));
  } else if (name === "duration_us") fact("duration", duration(value));
  else if (name === "sent" || name === "received") fact(name, `${bytes(value)} (${count(value)} B)`);
  else if (Array.isArray(value)) fact(name, value.map((one) => String(one)).join(name === "risks" ? "; " : " "));
  else if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) fact(key, String(inner));
  } else fact(name, String(value));
}
