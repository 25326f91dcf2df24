// Draws the lanes of a watch on a canvas, and zooms and pans them with pointer, wheel, buttons and keys.
// Nothing that it is given is ever made into markup: names go to the canvas and to textContent alone.
(function () {
  "use strict";
  const root = document.currentScript.parentElement;
  const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
  const canvas = root.querySelector("canvas");
  const tip = root.querySelector(".conc-watch-tip");
  const live = root.querySelector(".conc-watch-live");
  const LABEL = 150, RIGHT = 24, AXIS = 24, LANE = 22, BAR = 15, STRIP = 3, PARTS = 16, CLOSEST_NS = 100;
  const HELD = data.kinds.length - 2;

  // lanes as typed arrays of beginnings and ends, for binary search
  const lanes = data.rows.map(function (row) {
    const count = row.runs.length / 3;
    const begin = new Float64Array(count), end = new Float64Array(count), value = new Uint32Array(count);
    let at = 0;
    for (let i = 0; i < count; i++) {
      begin[i] = at += row.runs[3 * i];
      end[i] = at += row.runs[3 * i + 1];
      value[i] = row.runs[3 * i + 2];
    }
    return { name: row.n, id: row.id, ended: row.e, lock: Boolean(row.lock), begin, end, value };
  });
  let from = 0, to = data.wall, chosen = 0, cursor = 0, dragged = null;

  function ink() { return getComputedStyle(root).color; }

  const HATCHES = {
    rising: function (pen) { pen.lineWidth = 1.6; line(pen, [[-2, 8, 8, -2], [-2, 2, 2, -2], [4, 8, 8, 4]]); },
    falling: function (pen) { pen.lineWidth = 0.6; line(pen, [[-2, -2, 8, 8], [4, -2, 8, 2], [-2, 4, 2, 8]]); },
    level: function (pen) { pen.lineWidth = 1; line(pen, [[0, 3, 6, 3]]); },
    dots: function (pen) { pen.fillRect(2, 2, 2, 2); },
    cross: function (pen) { pen.lineWidth = 0.5; line(pen, [[3, 0, 3, 6], [0, 3, 6, 3]]); },
  };
  function line(pen, strokes) {
    pen.beginPath();
    for (const [x, y, toX, toY] of strokes) { pen.moveTo(x, y); pen.lineTo(toX, toY); }
    pen.stroke();
  }
  function tile(kind) {
    const small = document.createElement("canvas");
    small.width = small.height = 6;
    const pen = small.getContext("2d");
    pen.fillStyle = kind.c;
    pen.fillRect(0, 0, 6, 6);
    pen.strokeStyle = pen.fillStyle = "#000";
    if (kind.h) HATCHES[kind.h](pen);
    return small;
  }
  const tiles = data.kinds.map(function (kind) { return kind.c ? tile(kind) : null; });

  function words(value) {
    const what = data.values[value];
    if (what.w) return what.w;
    return what.p.map(function ([kind, part]) {
      return Math.round(part * 100 / PARTS) + " % " + data.kinds[kind].w;
    }).join(", ");
  }
  function duration(ns) {
    if (ns === 0) return "0";
    if (ns >= 1e9) return (ns / 1e9).toPrecision(4) + " s";
    return ns >= 1e6 ? (ns / 1e6).toPrecision(4) + " ms" : (ns / 1e3).toPrecision(4) + " µs";
  }
  function told(lane, i) {
    const who = lane.name + (lane.id === undefined ? "" : " (" + lane.id + ")");
    return who + "\n" + words(lane.value[i]) + "\n" + duration(lane.end[i] - lane.begin[i])
      + " from " + duration(lane.begin[i]);
  }

  // the first run that ends after `ns`
  function find(lane, ns) {
    let low = 0, high = lane.end.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lane.end[middle] <= ns) low = middle + 1; else high = middle;
    }
    return low;
  }

  function width() { return canvas.clientWidth - LABEL - RIGHT; }
  function x(ns) { return LABEL + (ns - from) / (to - from) * width(); }
  function timeAt(px) { return from + (px - LABEL) / Math.max(width(), 1) * (to - from); }

  function draw() {
    const scale = window.devicePixelRatio || 1;
    const height = AXIS + lanes.length * LANE + 4;
    canvas.style.height = height + "px";
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * scale));
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.font = "12px system-ui, sans-serif";
    const color = ink();
    const fills = tiles.map(function (small) { return small ? pen.createPattern(small, "repeat") : color; });
    axis(pen, color, height);
    pen.save();
    pen.beginPath();
    pen.rect(LABEL, 0, width(), height);
    pen.clip();
    lanes.forEach(function (lane, row) { bars(pen, fills, lane, AXIS + row * LANE); });
    pen.restore();
    pen.fillStyle = color;
    pen.textAlign = "right";
    lanes.forEach(function (lane, row) {
      pen.font = (row === chosen ? "bold " : "") + "12px system-ui, sans-serif";
      pen.fillText(lane.name, LABEL - 8, AXIS + row * LANE + 12, LABEL - 12);
    });
    root.dataset.from = from;
    root.dataset.to = to;
  }
  function bars(pen, fills, lane, y) {
    for (let i = find(lane, from); i < lane.begin.length && lane.begin[i] < to; i++) {
      const left = Math.max(x(lane.begin[i]), LABEL - 1);
      const across = Math.max(Math.min(x(lane.end[i]), LABEL + width() + 1) - left, 0.1);
      const what = data.values[lane.value[i]];
      let bottom = y + BAR;
      for (const [kind, part] of what.p) {
        const tall = BAR * part / PARTS;
        pen.fillStyle = fills[kind];
        pen.fillRect(left, bottom - tall, across, tall);
        bottom -= tall;
      }
      if (what.t !== undefined) {
        pen.fillStyle = fills[HELD];
        pen.fillRect(left, AXIS + what.t * LANE + BAR, across, STRIP);
      }
    }
    if (lane.ended !== undefined && lane.ended < to) {
      pen.fillStyle = data.ended;
      pen.fillRect(x(lane.ended), y + BAR / 2 - 1, LABEL + width() - x(lane.ended), 2);
    }
  }
  function axis(pen, color, height) {
    const span = to - from;
    let step = Math.pow(10, Math.floor(Math.log10(span)));
    while (span / step < width() / 160) step /= step.toString()[0] === "5" ? 2.5 : 2;
    pen.fillStyle = pen.strokeStyle = color;
    pen.textAlign = "center";
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      pen.globalAlpha = 0.2;
      pen.fillRect(x(at), AXIS - 6, 1, height);
      pen.globalAlpha = 1;
      pen.fillText(duration(at).replace(/\.?0+ /, " "), x(at), 12);
    }
  }

  function view(low, high) {
    const span = Math.min(Math.max(high - low, CLOSEST_NS), data.wall);
    from = Math.min(Math.max(low, 0), data.wall - span);
    to = from + span;
    draw();
  }
  function zoom(factor, at) { view(at - (at - from) * factor, at + (to - at) * factor); }
  function pan(share) { const by = (to - from) * share; view(from + by, to + by); }
  function middle() { return cursor > from && cursor < to ? cursor : (from + to) / 2; }
  const ACTIONS = {
    in: function () { zoom(0.5, middle()); },
    out: function () { zoom(2, middle()); },
    left: function () { pan(-0.25); },
    right: function () { pan(0.25); },
    all: function () { view(0, data.wall); },
  };

  // keys: rows, and from one run to the next
  function step(by) {
    const lane = lanes[chosen];
    if (!lane || !lane.begin.length) return;
    const here = find(lane, cursor);
    const i = Math.min(Math.max(here + by, 0), lane.begin.length - 1);
    cursor = (lane.begin[i] + lane.end[i]) / 2;
    if (cursor < from || cursor > to) view(cursor - (to - from) / 2, cursor + (to - from) / 2); else draw();
    live.textContent = told(lane, i).replaceAll("\n", "; ");
  }
  function row(by) {
    chosen = Math.min(Math.max(chosen + by, 0), lanes.length - 1);
    draw();
    step(0);
  }
  const KEYS = {
    "+": ACTIONS.in, "=": ACTIONS.in, "-": ACTIONS.out, "0": ACTIONS.all, Home: ACTIONS.all,
    ArrowLeft: ACTIONS.left, ArrowRight: ACTIONS.right,
    ArrowUp: function () { row(-1); }, ArrowDown: function () { row(1); },
    ",": function () { step(-1); }, ".": function () { step(1); },
  };
  canvas.addEventListener("keydown", function (event) {
    const action = KEYS[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  root.querySelectorAll("button").forEach(function (button) {
    button.addEventListener("click", ACTIONS[button.dataset.do]);
  });

  canvas.addEventListener("wheel", function (event) {
    if (event.ctrlKey || event.metaKey) zoom(Math.pow(1.002, event.deltaY), timeAt(event.offsetX));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      pan((event.deltaX || event.deltaY) / Math.max(width(), 1));
    } else return;
    event.preventDefault();
  }, { passive: false });
  canvas.addEventListener("dblclick", function (event) { zoom(0.5, timeAt(event.offsetX)); });
  canvas.addEventListener("pointerdown", function (event) {
    dragged = { px: event.offsetX, from, to };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", function () { dragged = null; });
  canvas.addEventListener("pointercancel", function () { dragged = null; });
  canvas.addEventListener("pointerleave", function () { tip.hidden = true; });
  canvas.addEventListener("pointermove", function (event) {
    if (dragged) {
      const by = (dragged.px - event.offsetX) / Math.max(width(), 1) * (dragged.to - dragged.from);
      view(dragged.from + by, dragged.to + by);
      return;
    }
    hover(event);
  });
  function hover(event) {
    const lane = lanes[Math.floor((event.offsetY - AXIS) / LANE)];
    const at = timeAt(event.offsetX);
    const i = lane && event.offsetX >= LABEL ? find(lane, at) : -1;
    tip.hidden = !(i >= 0 && i < lane.begin.length && lane.begin[i] <= at);
    if (tip.hidden) return;
    tip.textContent = told(lane, i);
    tip.style.left = Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(event.clientY + 12, window.innerHeight - tip.offsetHeight - 8) + "px";
  }

  root.querySelectorAll("[data-kind]").forEach(function (mark) {
    const small = tiles[Number(mark.dataset.kind)];
    mark.style.background = small ? "url(" + small.toDataURL() + ")" : "currentColor";
    if (!small) mark.style.height = STRIP + "px";
  });
  new ResizeObserver(draw).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
