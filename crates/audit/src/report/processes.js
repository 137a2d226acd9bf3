// Programs that ran, as trees under their commands.

/** Commands with the processes that ran programs under them, in the order of the first. */
function forestOf(records, filter) {
  const commands = new Map();
  for (const record of records) {
    if (record.e.type !== "exec") continue;
    const id = record.c ?? null;
    let command = commands.get(id);
    if (!command) commands.set(id, (command = { id, record, processes: [], byPid: new Map(), hit: 0 }));
    const { pid, parent } = record.e;
    let process = command.byPid.get(pid);
    // Numbers are used again: another parent is another process.
    if (!process || process.parent !== parent) {
      process = { pid, parent, programs: [], children: [], up: command.byPid.get(parent) ?? null, hit: false };
      command.byPid.set(pid, process);
      command.processes.push(process);
      process.up?.children.push(process);
    }
    process.programs.push(record);
    if (filter.active && record.mark !== filter.mark) continue;
    command.hit++;
    for (let up = process; up && !up.hit; up = up.up) up.hit = true;
  }
  return [...commands.values()].filter((command) => command.hit > 0);
}

/** The processes in the order of a tree, with their depth. */
function flat(command) {
  const rows = [];
  const open = command.processes
    .filter((process) => !process.up)
    .reverse()
    .map((process) => [process, 0]);
  while (open.length > 0) {
    const [process, depth] = open.pop();
    if (!process.hit) continue;
    rows.push({ process, depth });
    for (let index = process.children.length - 1; index >= 0; index--)
      open.push([process.children[index], depth + 1]);
  }
  return rows;
}

function showProcesses(panel, page) {
  const forest = forestOf(page.model.records, page.filter);
  if (forest.length === 0) return panel.replaceChildren(nothing(page.filter));
  const list = el("ol", "timeline");
  let budget = 200;
  fill(
    list,
    forest,
    (command) => {
      const item = el("li");
      const argv = argvOf(page.model.commands.get(command.id));
      const line = el(
        "span",
        "line",
        argv.length > 0
          ? code(quoted(argv))
          : el("span", "quiet", command.id === null ? "no command" : `command ${command.id}`),
        " ",
        el("span", "chip", many(command.hit, "program")),
      );
      const summary = el("summary", "row", timeOf(command.record.t), el("span", "label", "command"), line);
      budget -= command.processes.length;
      item.append(
        folded("group command", summary, budget > 0, () => {
          const tree = el("ol", "tree");
          fill(tree, flat(command), processItem);
          return el(
            "div",
            "",
            el("p", "where quiet", "in ", page.link(callOf(command.record), { why: true })),
            tree,
          );
        }),
      );
      return item;
    },
    { step: 60, follow: true },
  );
  panel.replaceChildren(list);
}

function processItem({ process, depth }) {
  const item = el("li");
  // Deeper ones stay where they can be read.
  item.style.setProperty("--depth", Math.min(depth, 12));
  const line = el("span", "line", el("span", "pid", process.pid), " ");
  process.programs.slice(0, 20).forEach((record, index) => {
    if (index > 0) line.append(el("span", "quiet", " then "));
    const { argv, path } = record.e;
    line.append(having(code(argv.length > 0 ? quoted(argv) : path), { title: visible(short(path)) }));
  });
  if (process.programs.length > 20)
    line.append(el("span", "quiet", ` and ${count(process.programs.length - 20)} more`));
  item.append(
    folded("event", el("summary", "", line), false, () => {
      const all = el("ol");
      fill(all, process.programs, (record) => el("li", "", factsOf(record)), { step: 20 });
      return all;
    }),
  );
  if (depth > 12) line.append(el("span", "chip", `${depth} levels down`));
  return item;
}
