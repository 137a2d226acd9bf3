// Denials, hosts, files and commands as tables.

/** A table of rows that can be sorted; `columns` are {name, cell, sort, number}. */
function table(rows, columns, { sorted = -1, caption }) {
  const head = having(el("tr"), { role: "row" });
  const body = having(el("tbody"), { role: "rowgroup" });
  const element = having(el("table"), { role: "table" });
  element.append(el("caption", "quiet", caption), having(el("thead", "", head), { role: "rowgroup" }), body);
  const make = (row) => {
    const line = having(el("tr", row.bad ? "denied" : ""), { role: "row" });
    for (const column of columns) {
      const cell = column.cell(row);
      const parts = Array.isArray(cell) ? cell : [cell];
      const td = having(el("td", column.number ? "number" : "", ...parts), {
        role: "cell",
        "data-name": column.name,
      });
      line.append(td);
    }
    return line;
  };
  const wrap = (button) => {
    const cell = having(el("td", "", button), { colspan: columns.length, role: "cell" });
    return having(el("tr", "more", cell), { role: "row" });
  };
  const order = (index, down) => {
    if (index >= 0) {
      const by = columns[index].sort;
      const compare = (a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0);
      rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
    }
    [...head.children].forEach((cell, at) => {
      if (at === index) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    body.replaceChildren();
    fill(body, rows, make, { step: 100, follow: true, wrap });
  };
  columns.forEach((column, index) => {
    const cell = having(el("th", column.number ? "number" : ""), { scope: "col", role: "columnheader" });
    if (column.sort) {
      const button = having(el("button", "", column.name), { type: "button" });
      button.addEventListener("click", () => {
        const now = cell.getAttribute("aria-sort");
        order(index, now ? now === "ascending" : Boolean(column.number));
      });
      cell.append(button);
    } else cell.append(column.name);
    head.append(cell);
  });
  order(sorted, true);
  return element;
}

/** Denials of the same kind together, in the order of the first. */
function denialsOf(records) {
  const found = new Map();
  for (const record of records) {
    const denial = record.e.denial;
    if (!denial) continue;
    const key = JSON.stringify(denial);
    let row = found.get(key);
    if (!row) found.set(key, (row = { denial, times: 0, records: [], calls: new Set() }));
    row.times += times(record.e);
    row.records.push(record);
    row.calls.add(callOf(record));
  }
  return [...found.values()];
}

function showDenials(panel, page) {
  const rows = denialsOf(page.filter.records);
  if (rows.length === 0) return panel.replaceChildren(nothing(page.filter));
  const list = el("ol", "denials");
  fill(list, rows, (row) => denialItem(row, page), { follow: true });
  panel.replaceChildren(list);
}

function denialItem(row, page) {
  const { denial } = row;
  const title = el("p", "what", el("span", "chip bad", denial.layer), " ", el("strong", "", short(denial.what)));
  if (row.times > 1) title.append(" ", el("span", "chip", "× " + count(row.times)));
  if (denial.confidence === "inferred") title.append(" ", el("span", "chip risk", "concluded, not told"));
  const item = el("li", "", title, el("p", "why", short(denial.reason)));
  if (denial.remedy) item.append(el("p", "remedy", short(denial.remedy)));
  const where = el("p", "quiet where", timeOf(row.records[0].t));
  if (denial.rule) where.append(" by rule ", code(denial.rule));
  where.append(" in ");
  [...row.calls]
    .slice(0, 5)
    .forEach((call, index) => where.append(index > 0 ? ", " : "", page.link(call, { why: true })));
  if (row.calls.size > 5) where.append(` and ${count(row.calls.size - 5)} more`);
  item.append(where);
  item.append(
    folded(
      "event",
      el("summary", "quiet", row.records.length > 1 ? many(row.records.length, "record") : "Details"),
      false,
      () => {
        const all = el("ol");
        fill(all, row.records, (record) => el("li", "", factsOf(record)), { step: 20 });
        return all;
      },
    ),
  );
  return item;
}

/** A number in words; none is quiet. */
function amount(number, words) {
  return number === 0 ? el("span", "quiet", "0") : words(number);
}

/** Names with what was allowed and denied; services and keys are told apart from hosts. */
function hostsOf(records) {
  const found = new Map();
  for (const { e: event, t: time } of records) {
    if (event.type !== "network" && event.type !== "secret_used") continue;
    if (event.what === "proxy") continue;
    const kind = ["signature", "forward", "publish"].includes(event.what) ? event.what : "host";
    const key = kind + " " + event.host;
    let row = found.get(key);
    if (!row) {
      row = {
        kind,
        host: event.host,
        ports: new Set(),
        allowed: 0,
        denied: 0,
        requests: 0,
        lookups: 0,
        sent: 0,
        received: 0,
        inside: { sent: 0, received: 0 },
        rules: new Set(),
        secrets: new Set(),
        first: time,
      };
      found.set(key, row);
    }
    if (event.type === "secret_used") {
      row.secrets.add(event.name);
      continue;
    }
    if (event.port !== undefined) row.ports.add(event.port);
    if (event.rule) row.rules.add(event.rule);
    // Its figures come with the connection, when that has ended.
    if (event.what === "opening") continue;
    if (event.denial) row.denied += times(event);
    else if (event.what === "lookup") row.lookups += times(event);
    else if (event.what === "request") row.requests += times(event);
    else row.allowed += times(event);
    // Requests travel in connections, and are only counted where those have no figures.
    const sums = event.what === "request" ? row.inside : row;
    sums.sent += event.sent ?? 0;
    sums.received += event.received ?? 0;
  }
  for (const row of found.values()) {
    if (row.sent + row.received === 0) Object.assign(row, row.inside);
    row.bad = row.denied > 0 && row.allowed + row.requests === 0;
  }
  return [...found.values()];
}

function showHosts(panel, page) {
  const rows = hostsOf(page.filter.records);
  if (rows.length === 0) return panel.replaceChildren(nothing(page.filter));
  const list = (set, most) =>
    short([...set].slice(0, most).join(", "), 200) + (set.size > most ? ` +${set.size - most}` : "");
  panel.replaceChildren(
    table(
      rows,
      [
        {
          name: "Host",
          sort: (row) => row.host,
          cell: (row) => [
            code(row.host),
            " ",
            row.kind === "host"
              ? null
              : el("span", "chip", { signature: "key", forward: "service", publish: "published" }[row.kind]),
            ...[...row.secrets].slice(0, 8).flatMap((name) => [" ", el("span", "chip secret", short(name, 60))]),
          ],
        },
        { name: "Ports", cell: (row) => list(row.ports, 4) || "–" },
        {
          name: "Connections",
          number: true,
          sort: (row) => row.allowed,
          cell: (row) => amount(row.allowed, count),
        },
        {
          name: "Requests",
          number: true,
          sort: (row) => row.requests,
          cell: (row) => amount(row.requests, count),
        },
        {
          name: "Denied",
          number: true,
          sort: (row) => row.denied,
          cell: (row) => (row.denied > 0 ? el("span", "chip bad", count(row.denied)) : amount(0, count)),
        },
        { name: "Sent", number: true, sort: (row) => row.sent, cell: (row) => amount(row.sent, bytes) },
        {
          name: "Received",
          number: true,
          sort: (row) => row.received,
          cell: (row) => amount(row.received, bytes),
        },
        {
          name: "Rule",
          cell: (row) =>
            row.rules.size > 0 ? el("code", "quiet", list(row.rules, 2)) : el("span", "quiet", "none"),
        },
      ],
      { sorted: 5, caption: "Bytes are those of connections; of requests only where no connection has any." },
    ),
  );
}

/** Files, each with its changes in order. */
function filesOf(records) {
  const found = new Map();
  for (const record of records) {
    const event = record.e;
    if (event.type !== "file_changed") continue;
    let row = found.get(event.path);
    if (!row) found.set(event.path, (row = { path: event.path, changes: [], risks: new Set(), last: record }));
    if (row.changes.at(-1) !== event.change) row.changes.push(event.change);
    for (const risk of event.risks ?? []) row.risks.add(risk);
    row.last = record;
  }
  return [...found.values()];
}

function showFiles(panel, page) {
  const rows = filesOf(page.filter.records);
  if (rows.length === 0) return panel.replaceChildren(nothing(page.filter));
  panel.replaceChildren(
    table(
      rows,
      [
        { name: "Path", sort: (row) => row.path, cell: (row) => code(row.path) },
        {
          name: "Change",
          sort: (row) => row.changes.at(-1),
          cell: (row) => [
            ...row.changes
              .slice(-3)
              .flatMap((change) => [el("span", "change " + changeClass(change), short(change, 20)), " "]),
          ],
        },
        {
          name: "Risks",
          sort: (row) => row.risks.size,
          cell: (row) => [...row.risks].flatMap((risk) => [el("span", "chip risk", short(risk, 120)), " "]),
        },
        { name: "State", sort: (row) => row.last.e.state, cell: (row) => short(row.last.e.state, 20) },
        {
          name: "Last",
          sort: (row) => row.last.t,
          cell: (row) => [timeOf(row.last.t), " in ", page.link(callOf(row.last))],
        },
      ],
      { sorted: 2, caption: "Files that need a second look come first." },
    ),
  );
}
