"use strict";
// Filter, zoom, lanes, and the way between a record and its mark. The report is complete without it.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  const filter = one("#filter");
  const lines = all(".line").map((element) => ({ element, text: element.textContent.toLowerCase() }));
  const findings = all(".finding").map((element) => ({
    element,
    own: all(":scope > h3, :scope > p", element).map((part) => part.textContent).join(" ").toLowerCase(),
  }));

  function applyFilter() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hit = (text) => words.every((word) => text.includes(word));
    const whole = new Set(findings.filter((finding) => hit(finding.own)).map((finding) => finding.element));
    let shown = 0;
    for (const { element, text } of lines) {
      element.hidden = !(hit(text) || whole.has(element.closest(".finding")));
      shown += element.hidden ? 0 : 1;
    }
    for (const { element } of findings) {
      element.hidden = !whole.has(element) && !all(".line", element).some((line) => !line.hidden);
    }
    one("#shown").textContent = words.length
      ? data.shown.replace("{n}", shown).replace("{all}", lines.length)
      : "";
  }
  filter.addEventListener("input", applyFilter);
  one("#tools").hidden = false;

  const chart = one("#chart");
  if (!chart) return;
  const WIDTH = 1000;
  const MOST = 200;
  const moved = all(".mv", chart).map((element) => {
    const number = (name) => Number(element.getAttribute(name));
    switch (element.tagName.toLowerCase()) {
      case "rect": return { element, x: number("x"), width: number("width") };
      case "line": return { element, x: number("x1") };
      case "circle": return { element, x: number("cx") };
      case "text": return { element, x: number("x") };
      default: return { element, x: Number(/\(([-\d.]+)/.exec(element.getAttribute("transform"))[1]) };
    }
  });
  let from = 0;
  let zoom = 1;
  let aimed = null;

  const placed = (x) => (x - from) * zoom;

  function draw() {
    from = Math.min(Math.max(from, 0), WIDTH - WIDTH / zoom);
    for (const { element, x, width } of moved) {
      const at = placed(x).toFixed(2);
      switch (element.tagName.toLowerCase()) {
        case "rect": element.setAttribute("x", at); element.setAttribute("width", (width * zoom).toFixed(2)); break;
        case "line": element.setAttribute("x1", at); element.setAttribute("x2", at); break;
        case "circle": element.setAttribute("cx", at); break;
        case "text": element.setAttribute("x", at); break;
        default: element.setAttribute("transform", `translate(${at} 11)`);
      }
    }
    drawTicks();
    drawCursor();
  }

  // Finer times come with the zoom; the built-in ones are for the whole picture.
  function drawTicks() {
    all(".fine", chart).forEach((element) => element.remove());
    all(".tick:not(.fine):not(.gap-text), .date", one("#axis")).forEach((element) => element.toggleAttribute("hidden", zoom > 1));
    if (zoom === 1) return;
    const plot = one("#axis svg");
    for (let at = 60; at < WIDTH; at += 125) {
      const ms = timeAt(from + at / zoom);
      if (ms === null) continue;
      const [day, clock] = new Date(ms).toISOString().split("T");
      const added = (name, attributes) => {
        const element = document.createElementNS(chart.namespaceURI, name);
        Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
        plot.append(element);
        return element;
      };
      added("line", { class: "base fine", x1: at, x2: at, y1: 0, y2: 5 });
      added("text", { class: "tick fine", x: at, y: 17 }).textContent = clock.slice(0, 12);
      added("text", { class: "tick fine", x: at, y: 33 }).textContent = day;
    }
  }

  function timeAt(x) {
    for (const segment of data.segments) {
      const start = segment.x / 100;
      const width = segment.width / 100;
      if (x < start || x > start + width) continue;
      const ms = segment.from_ms + ((x - start) / width) * (segment.to_ms - segment.from_ms);
      return Math.abs(ms) < 8e15 ? Math.round(ms) : null;
    }
    return null;
  }

  function drawCursor() {
    const cursor = one("#cursor");
    const at = aimed === null ? -1 : placed(aimed);
    const inside = at >= 0 && at <= WIDTH;
    cursor.toggleAttribute("hidden", !inside);
    cursor.setAttribute("x1", 190 + at);
    cursor.setAttribute("x2", 190 + at);
  }

  function zoomTo(next) {
    const middle = from + WIDTH / zoom / 2;
    zoom = Math.min(Math.max(next, 1), MOST);
    from = (aimed ?? middle) - WIDTH / zoom / 2;
    draw();
  }

  const actions = {
    in: () => zoomTo(zoom * 2),
    out: () => zoomTo(zoom / 2),
    earlier: () => { from -= WIDTH / zoom / 2; draw(); },
    later: () => { from += WIDTH / zoom / 2; draw(); },
    whole: () => { aimed = null; all(".aim").forEach((element) => element.classList.remove("aim")); zoomTo(1); },
  };
  all("#chart-tools button").forEach((button) => button.addEventListener("click", actions[button.dataset.do]));

  const lanes = all(".lane", chart);
  const top = Number(/ ([\d.]+)\)/.exec(lanes[0].getAttribute("transform"))[1]);
  function stack() {
    let y = top;
    for (const box of all("#chart-tools input")) {
      const lane = lanes.find((lane) => lane.dataset.lane === box.dataset.lane);
      lane.toggleAttribute("hidden", !box.checked);
      if (!box.checked) continue;
      lane.setAttribute("transform", `translate(0 ${y})`);
      y += 46;
    }
    one("#axis").setAttribute("transform", `translate(0 ${y})`);
    chart.setAttribute("viewBox", `0 0 1220 ${y + 44}`);
    one("#cursor").setAttribute("y2", y);
    all(".grid", chart).forEach((line) => line.setAttribute("y2", y));
    all("rect.gap", chart).forEach((gap) => gap.setAttribute("height", y));
  }
  all("#chart-tools input").forEach((box) => box.addEventListener("change", stack));
  one("#chart-tools").hidden = false;

  // A record and its mark share the part of their id after the first letter.
  function aim(pair) {
    const mark = document.getElementById(`m-${pair}`);
    const line = document.getElementById(`e-${pair}`);
    if (!mark || !line) return;
    all(".aim").forEach((element) => element.classList.remove("aim"));
    [mark, line].forEach((element) => element.classList.add("aim"));
    aimed = moved.find(({ element }) => element === mark).x;
    if (line.hidden) { filter.value = ""; applyFilter(); }
    if (placed(aimed) < 0 || placed(aimed) > WIDTH) from = aimed - WIDTH / zoom / 2;
    draw();
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.mark, a.to-mark");
    if (link) { aim(link.getAttribute("href").slice(3)); return; }
    const line = event.target.closest(".evidence tr.line");
    if (line && String(getSelection()) === "") aim(line.id.slice(2));
  });
  if (/^#[em]-\d+-\d+$/.test(location.hash)) aim(location.hash.slice(3));
})();
