// Lists that are made as far as they are looked at, and the timeline.

/** How much more is made at once: on paper nobody scrolls. */
let pace = 1;

/** Makes what comes into view. */
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) entry.target.dispatchEvent(new Event("near"));
  },
  { rootMargin: "600px" },
);

/**
 * Fills a list with the first items and a button for the rest; with `follow`, scrolling there presses it.
 * Returns a function that makes all items up to an index.
 */
function fill(
  list,
  items,
  make,
  { step = 100, follow = false, wrap = (button) => el("li", "more", button) } = {},
) {
  let made = 0;
  step *= pace;
  const button = having(el("button"), { type: "button" });
  const last = wrap(button);
  const upTo = (index) => {
    const end = Math.min(items.length, Math.max(index + 1, made));
    const fragment = document.createDocumentFragment();
    for (; made < end; made++) fragment.append(make(items[made], made));
    if (last.parentNode) last.before(fragment);
    else list.append(fragment);
    if (made < items.length) {
      button.textContent = `Show ${count(Math.min(step * 5, items.length - made))} more of ${count(items.length - made)}`;
      if (!last.parentNode) list.append(last);
    } else {
      watcher.unobserve(last);
      last.remove();
    }
  };
  button.addEventListener("click", () => {
    const before = last.previousElementSibling;
    upTo(made + step * 5 - 1);
    before?.nextElementSibling?.querySelector("summary, button")?.focus();
  });
  last.addEventListener("near", () => {
    upTo(made + step - 1);
    // Still in view: nothing would tell again.
    watcher.unobserve(last);
    if (last.parentNode) watcher.observe(last);
  });
  upTo(step - 1);
  if (follow && last.parentNode) watcher.observe(last);
  return upTo;
}

/** A `details` whose content is made when it is first opened. */
function folded(name, summary, open, content) {
  const details = el("details", name, summary);
  let made = false;
  const unfold = () => {
    if (made || !details.open) return;
    made = true;
    details.append(content());
  };
  details.addEventListener("toggle", unfold);
  details.open = open;
  unfold();
  return details;
}

function timeOf(us) {
  return having(el("time", "", clock(us)), { datetime: iso(us), title: fullTime(us) });
}

class Timeline {
  constructor(model, filter) {
    this.model = model;
    this.filter = filter;
    this.items = new Map();
    // Short logs are shown whole.
    this.open = model.records.length <= 120;
  }

  /** Makes the list anew. */
  show(panel) {
    this.items.clear();
    this.roots = this.filter.below(this.model.root, false);
    const bar = el("div", "tools");
    for (const [name, open] of [
      ["Expand all", true],
      ["Collapse all", false],
    ]) {
      const button = having(el("button", "", name), { type: "button" });
      button.addEventListener("click", () => {
        this.open = open;
        this.forced = true;
        this.show(panel);
      });
      bar.append(button);
    }
    this.list = el("ol", "timeline");
    if (this.roots.length === 0) panel.replaceChildren(nothing(this.filter));
    else panel.replaceChildren(bar, this.list);
    // What a filter has found is opened, as long as it can be looked over.
    this.budget = this.filter.active && !this.forced ? 300 : 0;
    this.upTo = fill(this.list, this.roots, (item) => this.item(item, false), { step: 60, follow: true });
  }

  /** How many tool calls are shown. */
  calls() {
    const { active, mark } = this.filter;
    return [...this.model.groups.values()].filter(
      (node) => node.kind === "call" && (!active || node.mark === mark),
    ).length;
  }

  item(item, all) {
    const element = el("li");
    element.append(item.children ? this.group(item, all) : this.record(item));
    return element;
  }

  record(record) {
    const { e: event } = record;
    const summary = el("summary", "row", timeOf(record.t), el("span", "label", labelOf(event)), this.line(event));
    const details = folded("event" + (event.denial ? " denied" : ""), summary, false, () => factsOf(record));
    return details;
  }

  line(event) {
    const line = el("span", "line", ...lineOf(event).flatMap((part) => (part === null ? [] : [part, " "])));
    if (times(event) > 1) line.append(el("span", "chip", "× " + count(times(event))));
    if (event.denial) line.append(denialOf(event));
    return line;
  }

  group(node, all) {
    const within = all || this.filter.found(node);
    const items = this.filter.below(node, all);
    const nested = node.calls > (node.kind === "call" && node.first ? 1 : 0);
    let open = this.forced ? this.open : this.open || nested;
    if (this.budget > 0 && items.length > 0 && !within) {
      open = true;
      this.budget -= Math.min(items.length, 100);
    }
    open &&= !isDeep(node);
    const known = { details: null, items, upTo: null };
    this.items.set(node, known);
    known.details = folded(
      `group ${node.kind}` + (node.denied > 0 ? " refusing" : ""),
      this.heading(node),
      open,
      () => {
        const body = el("div", "body");
        body.append(...this.about(node));
        const list = el("ol");
        known.upTo = fill(list, items, (item) => this.item(item, within));
        if (items.length > 0) body.append(list);
        return body;
      },
    );
    return known.details;
  }

  heading(node) {
    const line = el("span", "line");
    const label = { call: "tool", command: "command", session: "session", log: "log" }[node.kind];
    const summary = el("summary", "row", timeOf(node.start), el("span", "label", label), line);
    if (node.kind === "call") {
      line.append(el("strong", "", short(node.first?.e.tool ?? "Tool call without a beginning", 120)), " ");
      const reason = node.first?.e.reason;
      if (reason) line.append(el("span", "", short(reason)), " ");
      line.append(el("code", "quiet", short(telling(node, reason), 120)));
      if (node.last?.e.error) line.append(" ", el("span", "chip bad", "failed"));
    } else if (node.kind === "command") {
      const argv = argvOf(node);
      line.append(argv.length > 0 ? code(quoted(argv)) : el("span", "quiet", `command ${node.id}`));
      if (node.last) line.append(" ", endOf(node.last.e));
    } else if (node.kind === "session") {
      line.append(el("strong", "", `Session ${node.id}`), " ", el("span", "quiet", "outside of any tool call"));
    } else
      line.append(
        el("strong", "", "The log itself"),
        " ",
        el("span", "quiet", many(node.events, "entry", "entries")),
      );
    line.append(this.chips(node));
    summary.append(this.length(node));
    return summary;
  }

  chips(node) {
    const chips = el("span", "chips");
    const chip = (name, text) => chips.append(" ", el("span", name, text));
    if (node.denied > 0) chip("chip bad", count(node.denied) + " denied");
    if (node.kind !== "command" && node.commands > 0) chip("chip", many(node.commands, "command"));
    if (node.programs > 0) chip("chip", many(node.programs, "program"));
    if (node.hosts) chip("chip", named(node.hosts, "host"));
    if (node.files) chip("chip", many(node.files.size, "file"));
    if (node.secrets) chip("chip secret", named(node.secrets, "secret"));
    return chips;
  }

  /** How long it took, and where in the whole time that was. */
  length(node) {
    const took = lasted(node);
    const ends = node.kind === "call" || node.kind === "command";
    const text = took === null ? (ends ? "no end" : "") : duration(took);
    const cell = el("span", "took", text);
    const whole = this.model.root.end - this.model.root.start;
    if (node.kind === "call" && whole > 0) {
      const bar = el("i");
      bar.style.left = ((node.start - this.model.root.start) / whole) * 100 + "%";
      bar.style.width = ((took ?? node.end - node.start) / whole) * 100 + "%";
      cell.append(having(el("span", "track", bar), { "aria-hidden": "true" }));
    }
    return cell;
  }

  /** What is known about the group itself. */
  about(node) {
    const parts = [];
    if (node.kind === "log") return parts;
    if (node.kind === "call" && node.first) {
      const { reason, model, call, parameters } = node.first.e;
      const list = el("dl", "facts");
      // A reason that fits stands in the heading.
      const cut = reason && short(reason) !== reason ? [["why", reason]] : [];
      for (const [name, value] of [...cut, ...(parameters ?? [])]) {
        const definition = el("dd");
        say(definition, value, true);
        list.append(el("dt", "", name || "parameters"), definition);
      }
      if (list.childElementCount > 0) parts.push(list);
      const source = [model && "model " + short(model, 80), call && "call " + short(call, 80)].filter(Boolean);
      if (source.length > 0) parts.push(el("p", "quiet source", source.join(" · ")));
    }
    if (node.kind === "command" && node.first) {
      const { cwd, variables } = node.first.e;
      const told = el("p", "quiet", "in ", code(cwd));
      if (variables?.length > 0) told.append(" with ", code(variables.join(" ")));
      if (node.last?.e.usage) told.append(" · " + used(node.last.e.usage));
      parts.push(told);
    }
    if (node.last?.e.error) {
      const error = el("p", "denial", el("strong", "", "Failed"), " ");
      say(error, node.last.e.error, true);
      parts.push(error);
    }
    return parts;
  }

  /** Opens all that is above a group and brings it into view. */
  reveal(node) {
    const path = [];
    for (let up = node; up !== this.model.root; up = up.up) path.unshift(up);
    let siblings = { items: this.roots, upTo: this.upTo };
    for (const step of path) {
      siblings.upTo?.(siblings.items.indexOf(step));
      siblings = this.items.get(step);
      if (!siblings) return;
      siblings.details.open = true;
      // The event that tells of it comes too late for the next step.
      siblings.details.dispatchEvent(new Event("toggle"));
    }
    siblings.details?.scrollIntoView({ block: "start" });
    siblings.details?.querySelector("summary").focus({ preventScroll: true });
  }
}

/** The parameter that says most about a call by its name; without one and without a reason, all of them. */
function telling(node, reason) {
  const parameters = node.first?.e.parameters ?? [];
  for (const name of ["command", "cmd", "path", "file_path", "file", "url", "query", "pattern"]) {
    const found = parameters.find(([key]) => key === name);
    if (found) return found[1];
  }
  return reason ? "" : parameters.map(([, text]) => text).join(" ");
}

/** The names, if they are few; else how many. */
function named(names, one) {
  if (names.size > 2) return many(names.size, one);
  return [...names].map((name) => short(name, 48)).join(", ");
}

function nothing(filter) {
  return el("p", "nothing quiet", filter.active ? "Nothing matches the filter." : "Nothing was recorded.");
}
