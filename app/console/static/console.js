// The console's own script. Everything works without it: it adds live regions, dialogs, shortcuts and relative times.
(() => {
  "use strict";
  const root = document.documentElement;
  const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private windows keep nothing */ } };
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  // The theme: the system's until a person chooses, before the first paint.
  root.classList.add("scripted");
  if (stored("sluice-theme")) root.dataset.theme = stored("sluice-theme");
  const changeTheme = () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    store("sluice-theme", root.dataset.theme);
  };

  // Times: the server writes them in UTC, and a browser knows how long ago that was.
  const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
  const tellTimes = () => {
    for (const time of all("time[datetime]")) {
      const seconds = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
      const [size, unit] = UNITS.find(([size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
      const text = words.format(Math.trunc(seconds / size), unit);
      if (time.textContent !== text) time.textContent = text;
    }
  };

  // Live regions ask again every few seconds, but never under a person's hands.
  let isStopped = false;
  const hasSelection = () => String(getSelection()).length > 0;
  const isBusy = () => isStopped || document.hidden || hasSelection() || one("dialog[open], [data-editing]") !== null;
  document.addEventListener("htmx:before:request", (event) => {
    if (!event.target.closest("[data-live]")) return;
    if (isBusy() || (isTold && !isBehind && Date.now() - askedAt < SELDOM_MS)) return event.preventDefault();
    isBehind = false;
    askedAt = Date.now();
  });
  document.addEventListener("htmx:after:swap", () => { tellTimes(); countTicks(); listen(); });
  const wake = () => { for (const region of all("[data-live]")) region.dispatchEvent(new Event("wake")); };
  document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) wake(); });

  // A stream tells the page of one job when the job has moved. While it does, the page asks seldom by itself, for what
  // moves beside the job. Where no stream is to be had, or a proxy holds it back, the page asks as often as any other.
  const SELDOM_MS = 10000;
  let stream = null, isTold = false, isBehind = false, askedAt = 0;
  const listen = () => {
    const address = document.hidden ? "" : one("[data-stream]")?.dataset.stream;
    if (stream && !address) { stream.close(); stream = null; isTold = false; }
    if (stream || !address) return;
    stream = new EventSource(address);
    for (const kind of ["state", "progress", "end"]) stream.addEventListener(kind, () => { isTold = isBehind = true; wake(); });
    stream.addEventListener("error", () => { isTold = false; });
  };
  const stopOrGoOn = () => {
    const button = one("#live-button");
    if (!button) return;
    isStopped = !isStopped;
    button.setAttribute("aria-pressed", String(isStopped));
    if (!isStopped) wake();
  };

  // Forms that change something ask first, and send themselves once the answer is yes.
  const ask = (form, submitter) => {
    const dialog = one("#confirm");
    one("#question").textContent = submitter?.dataset.confirm || form.dataset.confirm;
    dialog.returnValue = "no";
    dialog.showModal();
    dialog.onclose = () => {
      if (dialog.returnValue !== "yes") return;
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "1" });
      form.append(field);
      form.requestSubmit(submitter);
      field.remove();
    };
  };
  document.addEventListener("submit", (event) => {
    const form = event.target, submitter = event.submitter;
    if (!(submitter?.dataset.confirm || form.dataset.confirm) || form.elements.confirmed) return;
    event.preventDefault();
    ask(form, submitter);
  });

  const copy = async (button) => {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // plain http has no clipboard
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };

  // Rows: one is the present one; ticks are counted beside the buttons that take them.
  const rows = () => all("tr[data-row]");
  const present = () => one("tr[data-row][aria-selected=true]");
  const move = (by) => {
    const list = rows();
    if (!list.length) return;
    const next = list[Math.min(list.length - 1, Math.max(0, list.indexOf(present()) + by))];
    present()?.removeAttribute("aria-selected");
    next.setAttribute("aria-selected", "true");
    next.querySelector("a").focus();
  };
  const countTicks = () => {
    const count = all("[data-tick]:checked").length, told = one("#ticked");
    if (told) told.textContent = count ? `${count} ticked` : "";
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "tick-all") for (const box of all("[data-tick]")) box.checked = event.target.checked;
    if (event.target.id === "single-keys") store("sluice-keys", event.target.checked ? "on" : "off");
    countTicks();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.id === "theme") changeTheme();
    if (button?.id === "help") showShortcuts();
    if (button?.id === "live-button") stopOrGoOn();
    if (button?.dataset.copy !== undefined) copy(button);
  });
  const showShortcuts = () => {
    one("#single-keys").checked = stored("sluice-keys") !== "off";
    one("#shortcuts").showModal();
  };

  // The grid of failed items: a cell is kept as soon as it is left, and the keys are those of a spreadsheet.
  const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
  const wordsOf = (html) => parsed(html).querySelector("main")?.textContent.trim() || "The connection broke";
  const cells = (row) => all("input:not([type=hidden]), textarea", row);
  const cellOf = (event) => (event.target.matches("#grid input, #grid textarea") ? event.target : null);
  const keep = async (cell) => {
    const index = cell.closest("tr").id.slice(1), version = one(`[name="v.${index}"]`);
    const sent = new URLSearchParams([[cell.name, cell.value], [version.name, version.value]]);
    const answer = await fetch(cell.form.action, { method: "POST", body: sent }), html = await answer.text(), page = parsed(html);
    if (!answer.ok) {
      cell.setCustomValidity(wordsOf(html));
      return cell.reportValidity();
    }
    cell.defaultValue = cell.value;
    for (const id of [`i${index}`, "send-row", "offers", "marks"]) {
      const old = document.getElementById(id), now = page.getElementById(id);
      if (!old || !now) continue;
      const held = all("button, a", old).indexOf(document.activeElement);
      old.replaceChildren(...now.childNodes);
      if (held >= 0) all("button, a", old)[held]?.focus();
    }
    tellTimes();
  };
  const step = (cell, by) => {
    const place = cell.name.split(".").slice(2).join(".");
    let next = cell.closest("tr");
    do next = by > 0 ? next.nextElementSibling : next.previousElementSibling; while (next && !cells(next).length);
    const found = next && cells(next).find((other) => other.name.endsWith(`.${place}`));
    if (!found) cell.blur();
    (found ?? cell).focus();
  };
  document.addEventListener("change", (event) => {
    const cell = cellOf(event);
    cell?.setCustomValidity("");
    if (cell) keep(cell);
  });
  document.addEventListener("focusin", (event) => cellOf(event)?.select());
  document.addEventListener("keydown", (event) => {
    const cell = cellOf(event), isLine = cell?.matches("input");
    if (!cell) return;
    if (event.key === "Escape") { cell.value = cell.defaultValue; cell.select(); }
    else if (event.key === "F2") cell.setSelectionRange(cell.value.length, cell.value.length);
    else if (isLine && (event.key === "Enter" || event.key === "ArrowDown")) step(cell, 1);
    else if (isLine && event.key === "ArrowUp") step(cell, -1);
    else return;
    event.preventDefault();
  });

  // A file: its first bytes are looked at, and all of it goes as one body, which the browser reads from the disk meanwhile.
  const SAMPLE_BYTES = 262144;
  const fileOf = (form) => form.elements.file.files[0];
  const formWith = (form, file) => {
    const data = new FormData(form);
    data.delete("file");
    data.append("file", file, fileOf(form).name);
    return data;
  };
  const tellLoad = (text) => { one("#sending").textContent = text; };
  let looks = 0;
  const look = async (form) => {
    const turn = ++looks;
    if (!fileOf(form)) return;
    const sample = formWith(form, fileOf(form).slice(0, SAMPLE_BYTES));
    const answer = await fetch(form.dataset.look, { method: "POST", body: sample }), html = await answer.text();
    if (turn !== looks) return; // the form says something else by now
    tellLoad(answer.ok ? "" : wordsOf(html));
    if (!answer.ok) return;
    const held = document.activeElement?.name, now = parsed(html).getElementById("mapping");
    one("#mapping").replaceWith(now);
    if (held) now.querySelector(`[name="${CSS.escape(held)}"]`)?.focus();
  };
  const upload = (form, button) => {
    const bar = one("#sent"), call = new XMLHttpRequest();
    call.open("POST", button.formAction);
    call.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / total; tellLoad(`${Math.floor(100 * loaded / total)} % sent`); };
    call.onloadend = () => {
      if (call.status && call.responseURL !== button.formAction) return location.assign(call.responseURL);
      bar.hidden = !(button.disabled = false);
      tellLoad(wordsOf(call.responseText));
    };
    bar.hidden = !(button.disabled = true);
    call.send(formWith(form, fileOf(form)));
  };
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form?.id === "load" && event.target.matches("[type=file], [data-look]")) look(form);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target, button = event.submitter;
    if (form.id !== "load") return;
    event.preventDefault();
    if (button?.dataset.upload === undefined) look(form);
    else upload(form, button);
  });

  let wentBefore = 0;
  const go = (selector) => one(selector)?.click();
  const KEYS = {
    "?": showShortcuts, "/": () => one("[data-search]")?.focus(), t: changeTheme, r: stopOrGoOn,
    j: () => move(1), k: () => move(-1), x: () => present()?.querySelector("[data-tick]")?.click(),
    e: () => (present()?.querySelector("[data-errors]") ?? one("main > [data-errors], main [data-errors]"))?.click(),
    "[": () => go("[rel=first]"), "]": () => go("[rel=next]"),
  };
  const AFTER_G = { j: () => go("nav a[href*='/jobs']"), s: () => go("nav a[href*='/system']") };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    if (stored("sluice-keys") === "off") return;
    const isSecond = Date.now() - wentBefore < 1500;
    wentBefore = event.key === "g" ? Date.now() : 0;
    const act = isSecond ? AFTER_G[event.key] : KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("DOMContentLoaded", () => {
    tellTimes();
    listen();
    setInterval(tellTimes, 1000);
    for (const form of all("[data-submit-at-once]")) form.requestSubmit();
  });
})();
