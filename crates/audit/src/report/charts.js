// What was used, over time.

const WIDTH = 1000;
const HEIGHT = 120;

/** A picture over the time of the log with its largest value and both ends. */
function chart(title, note, largest, model, shapes) {
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${title}: at most ${largest}`,
    },
    ...shapes,
  );
  return el(
    "figure",
    "chart",
    el("figcaption", "", el("strong", "", title), " ", el("span", "quiet", note)),
    el("div", "most quiet", largest),
    picture,
    el("div", "ends quiet", el("span", "", clock(model.root.start)), el("span", "", clock(model.root.end))),
  );
}

/** Where a time is in a picture. */
function across(model, time) {
  const whole = model.root.end - model.root.start;
  return whole > 0 ? ((time - model.root.start) / whole) * WIDTH : 0;
}

/** The command's figures; commands that did not end have none. */
function endedOf(page) {
  const chosen = page.filter.active ? new Set(page.filter.records.map((record) => record.c)) : null;
  const rows = [];
  for (const command of page.model.commands.values()) {
    const usage = command.last?.e.usage;
    if (!usage || (chosen && !chosen.has(command.id))) continue;
    const start = command.first?.t ?? command.end - usage.wall_us;
    rows.push({
      command,
      usage,
      start,
      end: command.end,
      memory: usage.peak_memory ?? usage.max_rss,
      processor: usage.user_us + usage.system_us,
    });
  }
  return rows;
}

/** One bar for each command, from its start to its end; in each place only the highest is drawn. */
function bars(model, rows, value) {
  const most = rows.reduce((most, row) => Math.max(most, value(row)), 0);
  const tops = new Float64Array(WIDTH);
  for (const row of rows) {
    const from = Math.max(0, Math.min(WIDTH - 1, Math.floor(across(model, row.start))));
    const to = Math.min(WIDTH - 1, Math.max(from, Math.floor(across(model, row.end))));
    for (let x = from; x <= to; x++) tops[x] = Math.max(tops[x], value(row));
  }
  return { most, shape: area(tops, most) };
}

/** The outline of a value for each place, as one path. */
function area(tops, most) {
  const y = (value) => (most > 0 ? HEIGHT - (value / most) * (HEIGHT - 4) : HEIGHT).toFixed(1);
  let path = `M0 ${HEIGHT}`;
  for (let x = 0; x < tops.length; x++) {
    if (x === 0 || tops[x] !== tops[x - 1]) path += `V${y(tops[x])}`;
    path += `H${x + 1}`;
  }
  return svg("path", { class: "area", d: path + `V${HEIGHT}Z` });
}

/** How many processes were alive: from their first program to the end of their command, which is the most it can be. */
function aliveOf(page) {
  const { model } = page;
  const changes = new Float64Array(WIDTH + 1);
  const alive = (start, end) => {
    const from = Math.min(WIDTH - 1, Math.floor(across(model, start)));
    changes[from] += 1;
    changes[Math.min(WIDTH, Math.max(from, Math.floor(across(model, end))) + 1)] -= 1;
  };
  for (const command of forestOf(model.records, page.filter)) {
    const end = model.commands.get(command.id)?.end ?? model.root.end;
    for (const process of command.processes) if (process.hit) alive(process.programs[0].t, end);
  }
  const tops = new Float64Array(WIDTH);
  let now = 0;
  for (let x = 0; x < WIDTH; x++) tops[x] = now += changes[x];
  const most = tops.reduce((a, b) => Math.max(a, b), 0);
  return { most, shape: area(tops, most) };
}

function showResources(panel, page) {
  const rows = endedOf(page);
  const memory = bars(page.model, rows, (row) => row.memory);
  const processor = bars(page.model, rows, (row) => row.processor);
  const alive = aliveOf(page);
  const parts = [];
  if (rows.length > 0) {
    parts.push(
      chart("Peak memory", "the highest of each command while it ran", bytes(memory.most), page.model, [
        memory.shape,
      ]),
      chart("Processor time", "all of a command’s, while it ran", duration(processor.most), page.model, [
        processor.shape,
      ]),
    );
  }
  if (alive.most > 0) {
    parts.push(
      chart("Processes", "seen running, until their command ended", count(alive.most), page.model, [alive.shape]),
    );
  }
  if (rows.length > 0) parts.push(commandTable(rows, page));
  const sessions = page.filter.records.filter((record) => record.e.type === "session_ended");
  if (sessions.length > 0) parts.push(sessionTable(sessions));
  panel.replaceChildren(
    ...(parts.length > 0
      ? [
          el("div", "charts", ...parts.filter((part) => part.tagName === "FIGURE")),
          ...parts.filter((part) => part.tagName !== "FIGURE"),
        ]
      : [nothing(page.filter)]),
  );
}

function commandTable(rows, page) {
  return table(
    rows,
    [
      {
        name: "Command",
        sort: (row) => quoted(argvOf(row.command)),
        cell: (row) => page.link(row.command.home, { content: code(quoted(argvOf(row.command))) }),
      },
      { name: "Started", sort: (row) => row.start, cell: (row) => timeOf(row.start) },
      { name: "Took", number: true, sort: (row) => row.usage.wall_us, cell: (row) => duration(row.usage.wall_us) },
      { name: "Processor", number: true, sort: (row) => row.processor, cell: (row) => duration(row.processor) },
      { name: "Memory", number: true, sort: (row) => row.memory, cell: (row) => bytes(row.memory) },
      {
        name: "Processes",
        number: true,
        sort: (row) => row.usage.peak_processes ?? 0,
        cell: (row) => (row.usage.peak_processes === undefined ? "–" : count(row.usage.peak_processes)),
      },
    ],
    {
      sorted: 3,
      caption:
        "Commands that have ended. Memory is the most of all at one time, or the largest process where that is not known.",
    },
  );
}

function sessionTable(records) {
  const usage = (record) => record.e.usage;
  const memory = (record) => usage(record).peak_memory ?? usage(record).max_rss;
  const processor = (record) => usage(record).user_us + usage(record).system_us;
  return table(
    records.slice(),
    [
      { name: "Session", sort: (record) => record.s ?? 0, cell: (record) => String(record.s ?? "–") },
      { name: "Ended", sort: (record) => record.t, cell: (record) => timeOf(record.t) },
      {
        name: "Took",
        number: true,
        sort: (record) => usage(record).wall_us,
        cell: (record) => duration(usage(record).wall_us),
      },
      { name: "Processor", number: true, sort: processor, cell: (record) => duration(processor(record)) },
      { name: "Memory", number: true, sort: memory, cell: (record) => bytes(memory(record)) },
    ],
    { sorted: 3, caption: "Sessions that have ended, with all of their commands." },
  );
}
