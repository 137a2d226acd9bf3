// The page: views, the form, keys, printing.

class Page {
  constructor(model) {
    this.model = model;
    this.filter = new Filter(model);
    this.timeline = new Timeline(model, this.filter);
    this.views = [
      {
        id: "timeline",
        name: "Timeline",
        count: () => this.timeline.calls(),
        show: (panel) => this.timeline.show(panel),
      },
      {
        id: "denials",
        name: "Denials",
        count: () => this.sum((event) => (event.denial ? times(event) : 0)),
        show: (panel) => showDenials(panel, this),
      },
      {
        id: "hosts",
        name: "Hosts",
        count: () => hostsOf(this.filter.records).length,
        show: (panel) => showHosts(panel, this),
      },
      {
        id: "files",
        name: "Files",
        count: () => filesOf(this.filter.records).length,
        show: (panel) => showFiles(panel, this),
      },
      {
        id: "processes",
        name: "Processes",
        count: () => this.sum((event) => (event.type === "exec" ? 1 : 0)),
        show: (panel) => showProcesses(panel, this),
      },
      { id: "resources", name: "Resources", count: null, show: (panel) => showResources(panel, this) },
    ];
    this.now = this.views[0];
  }

  sum(what) {
    return this.filter.records.reduce((sum, { e }) => sum + what(e), 0);
  }

  start() {
    const tabs = document.getElementById("tabs");
    for (const view of this.views) {
      view.badge = el("span", "badge");
      view.tab = having(el("button", "", view.name, view.badge), {
        type: "button",
        role: "tab",
        id: `tab-${view.id}`,
        "aria-controls": view.id,
      });
      view.panel = having(el("section"), {
        id: view.id,
        role: "tabpanel",
        "aria-labelledby": `tab-${view.id}`,
        "data-name": view.name,
      });
      view.tab.addEventListener("click", () => this.open(view));
      tabs.append(view.tab);
      document.getElementById("panels").append(view.panel);
    }
    tabs.addEventListener("keydown", (event) => this.move(event));
    showSummary(this);
    this.form();
    this.keys();
    this.update();
    addEventListener("beforeprint", () => this.print());
    addEventListener("afterprint", () => this.draw());
  }

  form() {
    const [words, kind, denied] = ["words", "kind", "denied"].map((id) => document.getElementById(id));
    for (const [value, name] of KINDS) kind.append(having(el("option", "", name), { value }));
    let waiting;
    const changed = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        this.filter.set(words.value, kind.value, denied.checked);
        this.timeline.forced = false;
        this.update();
      }, 120);
    };
    const form = document.getElementById("filter");
    form.addEventListener("input", changed);
    form.addEventListener("submit", (event) => event.preventDefault());
    this.clear = () => {
      form.reset();
      this.filter.set("", "", false);
      this.update();
    };
  }

  keys() {
    const words = document.getElementById("words");
    addEventListener("keydown", (event) => {
      const typing = event.target.matches?.("input, select, textarea");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        words.focus();
        words.select();
      } else if (event.key === "Escape" && this.filter.active) this.clear();
    });
  }

  /** Arrows go from tab to tab, as the ARIA Authoring Practices have it. */
  move(event) {
    const at = this.views.indexOf(this.now);
    const last = this.views.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[
      event.key
    ];
    if (to === undefined) return;
    event.preventDefault();
    this.open(this.views[to]);
    this.now.tab.focus();
  }

  open(view) {
    this.now = view;
    this.draw();
  }

  /** Everything after the filter has changed. */
  update() {
    for (const view of this.views) {
      view.stale = true;
      view.badge.textContent = view.count ? count(view.count()) : "";
    }
    const found = document.getElementById("found");
    found.textContent = this.filter.active
      ? `${count(this.filter.records.length)} of ${many(this.model.records.length, "record")}`
      : "";
    this.draw();
  }

  draw() {
    for (const view of this.views) {
      const chosen = view === this.now;
      view.tab.setAttribute("aria-selected", chosen);
      view.tab.tabIndex = chosen ? 0 : -1;
      view.panel.hidden = !chosen;
      if (chosen) this.bring(view.tab);
      if (chosen && view.stale) {
        view.stale = false;
        view.show(view.panel);
      }
    }
  }

  /** Scrolls the tabs, on a narrow screen, to where this one is seen. */
  bring(tab) {
    const tabs = tab.parentElement;
    const [left, right] = [tab.offsetLeft - tabs.offsetLeft, tab.offsetLeft - tabs.offsetLeft + tab.offsetWidth];
    if (left < tabs.scrollLeft) tabs.scrollLeft = left;
    else if (right > tabs.scrollLeft + tabs.clientWidth) tabs.scrollLeft = right - tabs.clientWidth;
  }

  /** Paper shows every view: what was opened as it is, and more of what a screen shows bit by bit. */
  print() {
    pace = 20;
    for (const view of this.views) {
      if (view.stale) view.show(view.panel);
      view.stale = false;
      view.panel.hidden = false;
    }
    this.timeline.upTo(1999);
    pace = 1;
  }

  /** A button that leads to a tool call or command in the timeline. */
  link(node, { content = null, why = false } = {}) {
    if (node === this.model.root) return el("span", "quiet", "no tool call");
    const name =
      { call: short(node.first?.e.tool ?? "tool call", 60), session: `session ${node.id}`, log: "the log" }[
        node.kind
      ] ?? `command ${node.id}`;
    const button = having(el("button", "link", content ?? name), { type: "button" });
    if (node.kind === "call" && !content) {
      const reason = why ? node.first?.e.reason : "";
      button.append(" ", el("span", "quiet", reason ? short(reason, 90) : clock(node.start)));
    }
    button.addEventListener("click", () => {
      if (this.filter.active) this.clear();
      this.open(this.views[0]);
      this.timeline.reveal(node);
    });
    return button;
  }

  /** A button that leads to a view. */
  opener(id) {
    const view = this.views.find((view) => view.id === id);
    const button = having(el("button", "link", `see ${view.name.toLowerCase()}`), { type: "button" });
    button.addEventListener("click", () => {
      this.open(view);
      document.getElementById("view").scrollIntoView();
      view.tab.focus({ preventScroll: true });
    });
    return button;
  }
}

async function main() {
  // What stands above the data is painted first.
  await new Promise((resume) => {
    requestAnimationFrame(() => setTimeout(resume));
    // Nothing is painted in a tab in the background.
    setTimeout(resume, 200);
  });
  const model = new Model(await readLog());
  new Page(model).start();
  document.body.dataset.state = "ready";
  performance.mark("report-interactive");
}

main().catch((error) => {
  const when = document.getElementById("when");
  when.replaceChildren();
  document.body.dataset.state = "failed";
  say(when, `The log could not be shown: ${error}`);
});
