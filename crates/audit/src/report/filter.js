// What is shown: the words, the type and the switch of the form.

const KINDS = [
  ["", "All types"],
  ["calls", "Tool calls", "tool_call_started", "tool_call_ended"],
  [
    "commands",
    "Commands",
    "command_started",
    "command_failed",
    "command_ended",
    "session_started",
    "session_ended",
  ],
  ["programs", "Programs", "exec"],
  ["network", "Network", "network"],
  ["files", "Files", "file_changed", "file_denied"],
  ["syscalls", "System calls", "syscall_denied", "access_denied"],
  ["secrets", "Secrets", "secret_used"],
  ["limits", "Limits", "limit_hit"],
  ["notes", "Notes", "note"],
  ["log", "The log itself", "log_opened", "log_closed", "head", "suppressed", "unknown"],
];

/** All values of an event in lower case; names of fields would match everything. */
function haystack(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "object") return Object.values(value).map(haystack).join(" ");
  return String(value).toLowerCase();
}

class Filter {
  constructor(model) {
    this.model = model;
    this.words = [];
    this.types = null;
    this.denied = false;
    this.mark = 0;
    this.records = model.records;
  }

  get active() {
    return this.words.length > 0 || this.types !== null || this.denied;
  }

  set(words, kind, denied) {
    this.words = words
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== "");
    const types = KINDS.find(([name]) => name === kind)?.slice(2) ?? [];
    this.types = types.length > 0 ? new Set(types) : null;
    this.denied = denied;
    this.apply();
  }

  apply() {
    this.mark++;
    if (!this.active) {
      this.records = this.model.records;
      return;
    }
    this.records = this.model.records.filter((record) => this.matches(record));
    for (const record of this.records) {
      record.mark = this.mark;
      for (let node = record.up; node && node.mark !== this.mark; node = node.up) node.mark = this.mark;
    }
  }

  matches(record) {
    if (this.types && !this.types.has(record.e.type)) return false;
    if (this.denied && !record.e.denial) return false;
    if (this.words.length === 0) return true;
    record.text ??= haystack(record.e);
    return this.words.every((word) => record.text.includes(word));
  }

  /** What is shown below a group: all of it if the group itself was looked for. */
  below(node, all) {
    if (!this.active || all || this.found(node)) return node.children;
    return node.children.filter((child) => child.mark === this.mark);
  }

  /** Whether the group's own beginning or end matches. */
  found(node) {
    return this.active && (node.first?.mark === this.mark || node.last?.mark === this.mark);
  }
}
