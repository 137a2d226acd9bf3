// What the log says: records in a tree of tool calls, sessions and commands, with counts of what is below each.

const ABOUT_THE_LOG = new Set(["log_opened", "log_closed", "head", "suppressed"]);

/** Reads the data blocks, one at a time so that the page stays usable, and frees them. */
async function readLog() {
  const records = [];
  let rest = performance.now();
  for (const block of document.querySelectorAll("script.log")) {
    for (const record of JSON.parse(block.textContent)) records.push(record);
    block.remove();
    if (performance.now() - rest > 100) {
      await new Promise((resume) => setTimeout(resume));
      rest = performance.now();
    }
  }
  return records;
}

function newNode(kind, id, up, start) {
  return {
    kind,
    id,
    up,
    start,
    end: start,
    children: [],
    // The records of its beginning and end.
    first: null,
    last: null,
    calls: 0,
    commands: 0,
    programs: 0,
    denied: 0,
    events: 0,
    hosts: null,
    files: null,
    secrets: null,
    // The filter that has last found something in it.
    mark: 0,
  };
}

function add(node, set, value) {
  (node[set] ??= new Set()).add(value);
}

/** How often something happened that was recorded once. */
function times(event) {
  return event.times ?? 1;
}

/** Whether the event is traffic that was let out. */
function reached(event) {
  return event.type === "network" && !event.denial && (event.what === "connection" || event.what === "request");
}

class Model {
  constructor(records) {
    this.records = records;
    let time = records.find((record) => record.t !== undefined)?.t ?? 0;
    this.root = newNode("root", null, null, time);
    this.groups = new Map();
    this.sessions = new Set();
    this.commands = new Map();
    for (const record of records) {
      // A time that could not be read is that of the record before.
      time = record.t ??= time;
      this.take(record);
    }
    // What is about the log itself stands last.
    const log = this.groups.get("log 0");
    if (log) this.root.children.push(...this.root.children.splice(this.root.children.indexOf(log), 1));
  }

  /** The group of a kind and id below another, made when it is first needed. */
  group(kind, id, up, time) {
    const key = kind === "command" ? `${up.kind} ${up.id} command ${id}` : `${kind} ${id}`;
    let node = this.groups.get(key);
    if (!node) {
      node = newNode(kind, id, up, time);
      up.children.push(node);
      this.groups.set(key, node);
    }
    return node;
  }

  take(record) {
    const { e: event, t: time } = record;
    if (record.s !== undefined) this.sessions.add(record.s);
    const home = this.home(record);
    record.up = home;
    switch (event.type) {
      case "tool_call_started":
        if (home.kind === "call" && !home.first) {
          home.first = record;
          if (event.parent) this.nest(home, event.parent, time);
        } else home.children.push(record);
        break;
      case "tool_call_ended":
        if (home.kind === "call") home.last = record;
        else home.children.push(record);
        break;
      case "command_started":
      case "command_failed":
      case "command_ended":
        this.command(record, home);
        break;
      default:
        home.children.push(record);
    }
    for (let node = home; node; node = node.up) this.count(node, record);
  }

  home(record) {
    const { e: event, t: time } = record;
    let home = this.root;
    if (record.p !== undefined) home = this.group("call", record.p, home, time);
    else if (record.s !== undefined) home = this.group("session", record.s, home, time);
    else if (record.c === undefined && ABOUT_THE_LOG.has(event.type)) return this.group("log", 0, home, time);
    return record.c === undefined ? home : this.group("command", record.c, home, time);
  }

  command(record, home) {
    if (home.kind !== "command") {
      home.children.push(record);
      return;
    }
    const started = record.e.type === "command_started";
    if (started) home.first = record;
    else home.last = record;
    let command = this.commands.get(record.c);
    if (!command)
      this.commands.set(
        record.c,
        (command = { id: record.c, home, first: null, last: null, start: record.t, end: null }),
      );
    if (started) command.first = record;
    else {
      command.last = record;
      command.end = record.t;
    }
    // One that ended elsewhere is known by what it was started as.
    home.first ??= command.first;
  }

  /** Puts a tool call under the one that made it, unless that would be a circle. */
  nest(node, parent, time) {
    const above = this.group("call", parent, this.root, time);
    for (let up = above; up; up = up.up) if (up === node) return;
    node.up.children.splice(node.up.children.lastIndexOf(node), 1);
    node.up = above;
    above.children.push(node);
  }

  count(node, record) {
    const { e: event, t: time } = record;
    node.events++;
    if (time > node.end) node.end = time;
    // Only in a log that somebody has changed.
    if (time < node.start) node.start = time;
    if (event.denial) node.denied += times(event);
    switch (event.type) {
      case "tool_call_started":
        node.calls++;
        break;
      case "command_started":
        node.commands++;
        break;
      case "command_failed":
        // Most failures come after a start that was recorded.
        if (!this.commands.get(record.c)?.first) node.commands++;
        break;
      case "exec":
        node.programs++;
        break;
      case "network":
        if (reached(event)) add(node, "hosts", event.host);
        break;
      case "file_changed":
        add(node, "files", event.path);
        break;
      case "secret_used":
        add(node, "secrets", event.name);
        break;
    }
  }
}

/** What a command was started as. */
function argvOf(command) {
  return command?.first?.e.argv ?? command?.last?.e.argv ?? [];
}

/** The tool call or session that a record belongs to, or the root. */
function callOf(record) {
  let node = record.up;
  while (node.kind === "command") node = node.up;
  return node;
}

/** Whether a node has so many above it that only who asks for it sees it opened. */
function isDeep(node) {
  let depth = 0;
  for (let up = node; up && depth < 40; up = up.up) depth++;
  return depth === 40;
}

/** How long a tool call or command took, in microseconds; null while it runs. */
function lasted(node) {
  if (!node.last) return null;
  return node.last.e.duration_us ?? node.last.e.usage?.wall_us ?? node.end - node.start;
}
