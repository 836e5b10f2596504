// Draws the binary that was chosen, in its entry: who loads it, and what it links. Without a script the list is read.
(function () {
  "use strict";
  var picture = document.getElementById("linking-picture");
  var space = "http://www.w3.org/2000/svg";
  var MOST = 14, ROW = 30, FEWEST = 8, NARROW = 640;
  var COLOURS = { in: "var(--link)", out: "var(--link)", gone: "var(--bad)", os: "var(--dim)" };
  function make(name, attributes, text) {
    var element = document.createElementNS(space, name);
    Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    if (text !== undefined) { element.textContent = text; }
    return element;
  }
  // The end of a name is what tells it apart. Measured, for letters are of many widths; the element is drawn by now.
  function fit(element, width) {
    var text = element.textContent, length = element.getComputedTextLength();
    var most = Math.floor(text.length * width / Math.max(1, length));
    while (element.getComputedTextLength() > width && most > FEWEST) {
      element.textContent = "…" + text.slice(1 - most);
      most -= 1;
    }
  }
  function rows(entry, kinds) {
    var found = [];
    kinds.forEach(function (kind) {
      entry.querySelectorAll('ul[data-kind="' + kind + '"] > li').forEach(function (item) {
        if (item.firstElementChild) {
          found.push({ kind: kind, text: item.firstElementChild.textContent, href: item.firstElementChild.getAttribute("href"),
            how: item.querySelector("small").textContent });
        }
      });
    });
    if (found.length > MOST) {
      var more = found.length - MOST + 1;
      found = found.slice(0, MOST - 1).concat({ kind: "os", text: "… and " + more + " more in the list", how: "" });
    }
    return found;
  }
  // One row: the line to the middle, and the name, which leads to its own entry.
  function row(svg, one, line, label, width) {
    var curve = make("path", { d: line, fill: "none", "stroke-width": 1.5 });
    curve.style.stroke = COLOURS[one.kind];
    curve.appendChild(make("title", {}, one.how));
    svg.appendChild(curve);
    var group = make(one.href ? "a" : "g", one.href ? { href: one.href } : {});
    var text = make("text", label, one.text);
    text.style.fill = COLOURS[one.kind];
    group.appendChild(text);
    svg.appendChild(group);
    fit(text, width);
    text.appendChild(make("title", {}, one.how ? one.text + " — " + one.how : one.text));
  }
  function column(svg, entries, side, width, height) {
    var edge = width / 2 + side * 110, middle = width / 2 + side * 8, from = edge - side * 8, bend = (from + middle) / 2;
    entries.forEach(function (one, index) {
      var y = height / 2 + (index - (entries.length - 1) / 2) * ROW;
      row(svg, one, "M" + from + " " + y + "C" + bend + " " + y + " " + bend + " " + height / 2 + " " + middle + " " + height / 2,
        { x: edge, y: y + 4, "text-anchor": side < 0 ? "end" : "start" }, width / 2 - 110);
    });
  }
  function stacked(svg, entries, top, centre, width) {
    entries.forEach(function (one, index) {
      var y = top + index * ROW;
      row(svg, one, "M26 " + y + "H10V" + centre, { x: 32, y: y + 4 }, width - 32);
    });
  }
  function show(entry) {
    picture.hidden = false;
    entry.insertBefore(picture, entry.children[1]);
    var width = picture.clientWidth, loaders = rows(entry, ["in"]), links = rows(entry, ["gone", "out", "os"]);
    var narrow = width < NARROW, count = narrow ? loaders.length + links.length + 1 : Math.max(3, loaders.length, links.length);
    var height = count * ROW + 10, centre = narrow ? loaders.length * ROW + ROW / 2 : height / 2;
    var svg = make("svg", { viewBox: "0 0 " + width + " " + height, width: width, height: height, role: "img", "font-size": 13,
      "aria-label": entry.dataset.name + ": who loads it, and what it links" });
    picture.replaceChildren(svg);
    if (narrow) {
      stacked(svg, loaders, ROW / 2, centre, width);
      stacked(svg, links, centre + ROW, centre, width);
    } else {
      column(svg, loaders, -1, width, height);
      column(svg, links, 1, width, height);
    }
    var dot = make("circle", { cx: narrow ? 10 : width / 2, cy: centre, r: 7 });
    dot.style.fill = "var(--good)";
    svg.appendChild(dot);
    if (narrow) {
      var name = make("text", { x: 32, y: centre + 4, "font-weight": 600 }, entry.dataset.name);
      name.style.fill = "var(--text)";
      svg.appendChild(name);
      fit(name, width - 32);
    }
  }
  function follow() {
    var entry = location.hash.indexOf("#link-") === 0 ? document.getElementById(location.hash.slice(1)) : null;
    if (entry) { entry.open = true; show(entry); entry.scrollIntoView({ block: "nearest" }); }
  }
  document.querySelectorAll("#linking-list > details").forEach(function (entry) {
    entry.addEventListener("toggle", function () { if (entry.open) { show(entry); } });
  });
  // A link to where the address is already changes nothing there, and is followed all the same.
  document.getElementById("linking-list").addEventListener("click", function (event) {
    var link = event.target.closest("a[href]");
    if (link && link.getAttribute("href") === location.hash) { follow(); }
  });
  window.addEventListener("hashchange", follow);
  window.addEventListener("resize", function () {
    var entry = picture.closest("details[open]");
    if (entry) { show(entry); }
  });
  follow();
})();
