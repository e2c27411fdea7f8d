#include "sim/trace_page.h"

namespace verity::sim {
namespace {

void escape(std::string& to, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '<':
        to += "&lt;";
        break;
      case '>':
        to += "&gt;";
        break;
      case '&':
        to += "&amp;";
        break;
      default:
        to += c;
    }
  }
}

constexpr std::string_view style = R"css(
body { font: 13px system-ui, sans-serif; margin: 0; color: #222; display: flex; flex-direction: column; height: 100vh }
header { padding: 6px 10px; border-bottom: 1px solid #ccc } header code { background: #eee; padding: 1px 4px }
#verdict { font-weight: 600; margin-left: 1em } label { margin-right: 1em } input[type=text] { width: 20em }
canvas { width: 100%; flex: 0 0 auto; cursor: grab } #lines { flex: 1; overflow: auto; margin: 0; padding: 4px 10px;
font: 12px ui-monospace, monospace; white-space: pre; border-top: 1px solid #ccc } #lines .at { background: #fff3b0 }
)css";

// Lines become events {t, lane, kind, text}; a message is matched with its arrival by sender, receiver and text.
constexpr std::string_view script = R"js(
const KINDS = {message: '#3a6ea5', promise: '#8e44ad', write: '#c9c9c9', commit: '#2e8b57', crash: '#c0392b',
               log: '#e0a800', world: '#000', other: '#ddd'};
const shown = {message: true, promise: true, write: false, commit: true, crash: true, log: true, world: true, other: false};
const names = [], lanes = new Map(), events = [], arrows = [], spans = [], flying = new Map();
let end = 0;
const laneOf = (host) => {
  if (!lanes.has(host)) { lanes.set(host, lanes.size); names.push(host); }
  return lanes.get(host);
};
const CONSENSUS = 'log    trace verity_consensus: ';
const nodeOf = (member) => 'node' + member.split(':')[0];
const roles = new Map();
function takeRole(t, lane, text) {
  const found = text.match(/^(leads|follows|has no primary).*view (\d+)/);
  if (!found) return false;
  const old = roles.get(lane);
  if (old) old.to = t;
  const span = {lane, from: t, to: Infinity, role: found[1], view: +found[2]};
  roles.set(lane, span); spans.push(span);
  return true;
}
function takeConsensus(e, host, text) {
  let m;
  e.text = text;
  if ((m = text.match(/^to (\S+): (.*)$/))) {
    e.kind = 'message';
    const key = host + '>' + nodeOf(m[1]) + ' ' + m[2];
    if (!flying.has(key)) flying.set(key, []);
    flying.get(key).push(e);
  } else if ((m = text.match(/^receive from (\S+): (.*)$/))) {
    e.kind = 'message';
    const sent = (flying.get(nodeOf(m[1]) + '>' + host + ' ' + m[2]) || []).shift();
    if (sent) arrows.push({from: sent, to: e, text: m[2]});
  } else if (text.startsWith('save ') || text.startsWith('promises saved')) e.kind = 'promise';
  else if (text.startsWith('committed ')) e.kind = 'commit';
  else if (takeRole(e.t, e.lane, text)) e.kind = 'log';
  else e.kind = 'other';
}
for (const line of document.getElementById('trace').textContent.split('\n')) {
  const m = line.match(/^(\d+\.\d+) (\S+)\s+(.*)$/);
  if (!m) continue;
  const host = m[2].split('.')[0];
  const e = {t: +m[1], lane: laneOf(host), kind: 'other', text: m[3], line};
  end = Math.max(end, e.t);
  if (host === 'world') e.kind = 'world';
  else if (e.text.startsWith(CONSENSUS)) takeConsensus(e, host, e.text.slice(CONSENSUS.length));
  else if (e.text.startsWith('log ')) e.kind = 'log';
  else if (/^(crash|start)/.test(e.text)) {
    e.kind = 'crash';
    const old = roles.get(e.lane);
    if (old) { old.to = e.t; roles.delete(e.lane); }
  } else if (/^(write|sync|rename|create|remove|truncate)/.test(e.text)) e.kind = 'write';
  events.push(e);
}
for (const s of spans) if (s.to === Infinity) s.to = end;

const canvas = document.querySelector('canvas'), g = canvas.getContext('2d'), list = document.getElementById('lines');
const LEFT = 80, LANE = 64, TOP = 24;
let from = 0, to = end || 1, word = '', at = null;
const x = (t) => LEFT + (t - from) / (to - from) * (canvas.clientWidth - LEFT);
const time = (px) => from + (px - LEFT) / (canvas.clientWidth - LEFT) * (to - from);
const y = (lane) => TOP + lane * LANE + LANE / 2;
const matches = (text) => !word || text.includes(word);
function draw() {
  const ratio = devicePixelRatio || 1, height = TOP + names.length * LANE;
  canvas.style.height = height + 'px';
  canvas.width = canvas.clientWidth * ratio; canvas.height = height * ratio;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, canvas.clientWidth, height);
  g.font = '12px system-ui';
  for (const s of spans) {
    if (s.to < from || s.from > to) continue;
    const a = Math.max(LEFT, x(s.from)), b = Math.min(canvas.clientWidth, x(s.to));
    const light = s.role === 'leads' ? 68 : s.role === 'follows' ? 88 : 96;
    g.fillStyle = `hsl(${s.view * 67 % 360} 60% ${light}%)`;
    g.fillRect(a, y(s.lane) - 14, Math.max(1, b - a), 28);
    if (b - a > 46) { g.fillStyle = '#444'; g.fillText((s.role === 'leads' ? '★ ' : '') + 'view ' + s.view, a + 3, y(s.lane) - 17); }
  }
  names.forEach((name, lane) => {
    g.fillStyle = '#222'; g.fillText(name, 6, y(lane) + 4);
    g.strokeStyle = '#bbb'; g.beginPath(); g.moveTo(LEFT, y(lane)); g.lineTo(canvas.clientWidth, y(lane)); g.stroke();
  });
  if (shown.message) {
    g.strokeStyle = KINDS.message; g.globalAlpha = 0.6;
    for (const a of arrows) {
      if (a.to.t < from || a.from.t > to || !matches(a.text)) continue;
      g.beginPath(); g.moveTo(x(a.from.t), y(a.from.lane)); g.lineTo(x(a.to.t), y(a.to.lane)); g.stroke();
    }
    g.globalAlpha = 1;
  }
  for (const e of events) {
    if (e.t < from || e.t > to || !shown[e.kind] || !matches(e.line)) continue;
    g.fillStyle = KINDS[e.kind];
    const tall = e.kind === 'crash' ? 18 : e.kind === 'world' ? 14 : e.kind === 'commit' ? 9 : 5;
    g.fillRect(x(e.t) - 1, y(e.lane) - tall, 2, 2 * tall);
  }
  for (let i = 0; i <= 8; ++i) {
    const t = from + (to - from) * i / 8;
    g.fillStyle = '#666'; g.fillText(t.toFixed(to - from < 0.1 ? 6 : 3) + ' s', x(t) - (i === 8 ? 60 : 0), 14);
  }
  if (at !== null) { g.strokeStyle = '#e0a800'; g.beginPath(); g.moveTo(x(at), TOP); g.lineTo(x(at), height); g.stroke(); }
}
function showLines() {
  const some = events.filter((e) => e.t >= from && e.t <= to && shown[e.kind] && matches(e.line));
  let middle = at === null ? 0 : some.findIndex((e) => e.t >= at);
  if (middle < 0) middle = some.length;
  const first = Math.max(0, middle - 200);
  list.replaceChildren(...some.slice(first, first + 600).map((e, i) => {
    const row = document.createElement('div');
    row.textContent = e.line;
    if (at !== null && first + i === middle) row.className = 'at';
    row.onclick = () => { at = e.t; draw(); };
    return row;
  }));
  const mark = list.querySelector('.at');
  if (mark) mark.scrollIntoView({block: 'center'});
}
function zoom(factor, around) {
  const span = Math.min(end || 1, Math.max(1e-6, (to - from) * factor));
  from = Math.max(0, around - (around - from) * span / (to - from)); to = from + span;
  draw(); showLines();
}
canvas.onwheel = (e) => { e.preventDefault(); zoom(e.deltaY > 0 ? 1.25 : 0.8, time(e.offsetX)); };
let drag = null;
canvas.onmousedown = (e) => { drag = {px: e.offsetX, from, to, moved: false}; };
canvas.onmousemove = (e) => {
  if (!drag) return;
  const by = (e.offsetX - drag.px) / (canvas.clientWidth - LEFT) * (drag.to - drag.from);
  drag.moved = drag.moved || Math.abs(e.offsetX - drag.px) > 3;
  from = Math.max(0, drag.from - by); to = from + (drag.to - drag.from); draw();
};
canvas.onmouseup = (e) => { if (drag && !drag.moved) at = time(e.offsetX); drag = null; draw(); showLines(); };
const boxes = document.getElementById('kinds');
for (const kind of Object.keys(KINDS)) {
  const label = document.createElement('label'), box = document.createElement('input');
  box.type = 'checkbox'; box.checked = shown[kind];
  box.onchange = () => { shown[kind] = box.checked; draw(); showLines(); };
  label.append(box, ' ' + kind); label.style.color = KINDS[kind] === '#ddd' ? '#888' : KINDS[kind]; boxes.append(label);
}
document.getElementById('word').oninput = (e) => { word = e.target.value; draw(); showLines(); };
window.onresize = draw;
draw(); showLines();
)js";

bool is_bytes_on_a_socket(std::string_view line) {
  return line.find("  send   ") != std::string_view::npos || line.find("  recv   ") != std::string_view::npos;
}

}  // namespace

void TracePage::add(std::string_view line) {
  if (!is_bytes_on_a_socket(line)) escape(lines_, line);
}

std::string TracePage::html(std::string_view verdict) const {
  std::string page = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>";
  escape(page, title_);
  page += "</title>\n<style>";
  page += style;
  page += "</style>\n<header><code>";
  escape(page, title_);
  page += "</code><span id=\"verdict\">";
  escape(page, verdict);
  page +=
      "</span><div><span id=\"kinds\"></span><input id=\"word\" type=\"text\" placeholder=\"only lines with "
      "...\"> "
      "wheel: zoom, drag: move, click: the lines of that moment</div></header>\n<canvas></canvas>\n"
      "<div id=\"lines\"></div>\n<pre id=\"trace\" hidden>\n";
  page += lines_;
  page += "</pre>\n<script>";
  page += script;
  page += "</script>\n";
  return page;
}

}  // namespace verity::sim
