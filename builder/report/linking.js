// Draws the binary that was chosen: its loaders on the left, what it links on the right. Without it the list is read.
(function () {
  "use strict";
  var picture = document.getElementById("linking-picture");
  var space = "http://www.w3.org/2000/svg";
  var MOST = 14, ROW = 30, WIDTH = 1000;
  function make(name, attributes, text) {
    var element = document.createElementNS(space, name);
    Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    if (text !== undefined) { element.textContent = text; }
    return element;
  }
  function short(text) { return text.length > 44 ? "…" + text.slice(-43) : text; }
  function rows(entry, kinds) {
    var found = [];
    kinds.forEach(function (kind) {
      entry.querySelectorAll('ul[data-kind="' + kind + '"] > li').forEach(function (item) {
        if (item.firstElementChild) {
          found.push({ kind: kind, node: item.firstElementChild, how: item.querySelector("small").textContent });
        }
      });
    });
    return found;
  }
  function column(svg, entries, x, anchor, height, middle) {
    entries.slice(0, MOST).forEach(function (one, index) {
      var y = height / 2 + (index - (Math.min(entries.length, MOST) - 1) / 2) * ROW;
      var colour = "var(--" + (one.kind === "gone" ? "bad" : one.kind === "os" ? "dim" : "link") + ")";
      var from = x < middle ? x + 8 : middle + 8, to = x < middle ? middle - 8 : x - 8;
      var y1 = x < middle ? y : height / 2, y2 = x < middle ? height / 2 : y, bend = (from + to) / 2;
      var curve = make("path", { d: "M" + from + " " + y1 + "C" + bend + " " + y1 + " " + bend + " " + y2 + " " + to + " " + y2,
        fill: "none", stroke: colour, "stroke-width": 1.5 });
      curve.appendChild(make("title", {}, one.how));
      svg.appendChild(curve);
      var target = one.node.getAttribute("href");
      var group = make(target ? "a" : "g", target ? { href: target } : {});
      var label = make("text", { x: x, y: y + 4, "text-anchor": anchor, fill: colour, "font-size": 13 }, short(one.node.textContent));
      label.appendChild(make("title", {}, one.node.textContent + " — " + one.how));
      group.appendChild(label);
      svg.appendChild(group);
    });
  }
  function show(entry) {
    var loaders = rows(entry, ["in"]), links = rows(entry, ["gone", "out", "os"]);
    var height = Math.max(3, Math.min(MOST, Math.max(loaders.length, links.length))) * ROW + 40;
    var svg = make("svg", { viewBox: "0 0 " + WIDTH + " " + height, width: "100%", role: "img" });
    column(svg, loaders, 330, "end", height, 500);
    column(svg, links, 670, "start", height, 500);
    svg.appendChild(make("circle", { cx: 500, cy: height / 2, r: 7, fill: "var(--good)" }));
    // Above all rows: a long name would lie across them.
    svg.appendChild(make("text", { x: 500, y: 14, "text-anchor": "middle", "font-weight": 600, "font-size": 13, fill: "currentColor" },
      entry.dataset.name));
    picture.replaceChildren(svg);
    picture.hidden = false;
  }
  function follow() {
    var entry = location.hash.indexOf("#link-") === 0 ? document.getElementById(location.hash.slice(1)) : null;
    if (entry) { entry.open = true; show(entry); picture.scrollIntoView({ block: "nearest" }); }
  }
  document.querySelectorAll("#linking-list > details").forEach(function (entry) {
    entry.addEventListener("toggle", function () { if (entry.open) { show(entry); } });
  });
  window.addEventListener("hashchange", follow);
  follow();
})();
