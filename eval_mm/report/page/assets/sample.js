// One sample as it is shown: pictures with boxes, question, prompt, answer, references, what other runs said.
const ERROR = -1, ABSENT = -2; // of scores
const MISSING = -2; // of pictures
const HIGHEST = 36; // rem of a picture
const OUTCOMES = {
  right: {sign: "✓", name: "right"},
  partly: {sign: "◐", name: "partly right"},
  wrong: {sign: "✗", name: "wrong"},
  unparsed: {sign: "?", name: "unparsed"},
  errors: {sign: "!", name: "failed"},
  unscored: {sign: "·", name: "no score"},
  absent: {sign: "–", name: "not asked"},
};

function outcomeOf(value, isScored) {
  if (value === ABSENT) return "absent";
  if (value === ERROR) return "errors";
  if (!isScored) return "unscored";
  if (value === null) return "unparsed";
  return value >= 1 ? "right" : value <= 0 ? "wrong" : "partly";
}

// What a sample counts in the mean.
const worth = (value) => (value === null || value < 0 ? 0 : value);
const scoreText = (value) => (value === null || value < 0 ? "" : String(Math.round(value * 1e4) / 1e4));
const boxText = (box) => `(${box[0]}, ${box[1]}) to (${box[2]}, ${box[3]})`;

function badge(value, isScored) {
  const outcome = outcomeOf(value, isScored);
  const {sign, name} = OUTCOMES[outcome];
  const score = scoreText(value);
  return element("span", {class: `badge ${outcome}`}, `${sign} ${name}${score && outcome === "partly" ? ` ${score}` : ""}`);
}

const text = (content, kind = "") => element("div", {class: `text ${kind}`, dir: "auto"}, content);

function facts(pairs) {
  const list = element("dl", {class: "facts"});
  for (const [name, shown] of pairs) if (shown !== null) list.append(element("dt", {}, name), element("dd", {}, shown));
  return list;
}

function drawn(box, size, kind, name) {
  const [x1, x2] = [box[0], box[2]].sort((a, b) => a - b), [y1, y2] = [box[1], box[3]].sort((a, b) => a - b);
  const edges = {x: x1, y: y1, width: x2 - x1, height: y2 - y1};
  const tag = element("span", {class: `tag ${kind}-tag`}, name);
  // Above the true box and below the predicted one, so that they hide nothing; inside where the picture ends.
  const at = (part) => `${100 * part}%`;
  tag.style.left = `clamp(0px, ${at(x1 / size[0])}, 100% - ${name.length * 0.7}em)`;
  tag.style.top = kind === "true" ? `clamp(0px, ${at(y1 / size[1])} - 1.5em, 100% - 1.4em)` : `clamp(0px, ${at(y2 / size[1])} + 0.15em, 100% - 1.4em)`;
  return {halo: element("rect", {class: "halo", ...edges}), rect: element("rect", {class: `${kind}-box`, ...edges}), tag};
}

function picture(url, place, id, size, boxes) {
  const told = boxes.map(({name, box}) => `, ${name} box ${boxText(box)}`).join("");
  const shown = element("img", {src: url, alt: `Picture ${place + 1} of sample ${id}${told}`});
  const frame = element("div", {class: "picture"}, shown);
  shown.addEventListener("load", () => { frame.style.maxWidth = `${HIGHEST * shown.naturalWidth / shown.naturalHeight}rem`; });
  if (size && boxes.length) {
    const layer = element("svg", {viewBox: `0 0 ${size[0]} ${size[1]}`, preserveAspectRatio: "none", "aria-hidden": "true"});
    const parts = boxes.map(({box, kind, name}) => drawn(box, size, kind, name));
    layer.append(...parts.map((part) => part.halo), ...parts.map((part) => part.rect));
    frame.append(layer, ...parts.map((part) => part.tag));
  }
  return frame;
}

function noPicture(group, sample) {
  const {counts, problem} = group;
  if (problem) return `No picture: ${problem}`;
  if (sample.i === 0) return "This question has no picture.";
  if (counts.full) return `No picture: those of the worst ${counts.pictures} samples fit into this file (--max-mb of the report).`;
  return `No picture: this is not among the worst ${config.maxSamples} samples of any run, of which pictures are here (--max-samples of the report).`;
}

function pictures(group, position, sample, answer, id) {
  const numbers = group.shows[position];
  const boxes = [];
  if (sample.b) boxes.push({box: sample.b, kind: "true", name: "true"});
  if (answer && answer.b) boxes.push({box: answer.b, kind: "said", name: "predicted"});
  const shown = element("div", {class: "pictures"});
  if (!numbers) shown.append(element("p", {class: "gone picture"}, noPicture(group, sample)));
  else numbers.forEach((number, place) => shown.append(number < 0
    ? element("p", {class: "gone picture"}, number === MISSING ? `Picture ${place + 1} was not on the machine that made this report.` : `Picture ${place + 1} could not be read when the report was made.`)
    : picture(group.pictures[number], place, id, place === 0 ? sample.s : null, place === 0 ? boxes : [])));
  if (boxes.length) shown.append(element("p", {class: "boxes"}, boxes.map(({name, box}) => `${name} ${boxText(box)}`).join("; ") + " in pixels"));
  return shown;
}

function promptShown(parts) {
  const shown = element("div", {class: "text prompt", dir: "auto"});
  for (const part of parts) {
    if (typeof part === "string") shown.append(part);
    else shown.append(element("span", {class: "chip"}, Array.isArray(part) ? part[0] : `picture ${part + 1}`));
  }
  return shown;
}

function referencesShown(sample, scorer) {
  if (!sample.r) return null;
  const compared = sample.n && sample.n[scorer];
  const list = element("ul", {class: "plainlist"});
  sample.r.forEach(([content, times, letter], place) => {
    const item = element("li", {}, element("bdi", {class: "text"}, `${letter ? `${letter}. ` : ""}${content}`));
    if (times > 1) item.append(element("small", {}, `× ${times}`));
    if (compared && compared[place] !== undefined && compared[place] !== content) {
      item.append(element("small", {}, "compared as ", element("bdi", {class: "text"}, compared[place] || "(nothing)")));
    }
    list.append(item);
  });
  return list;
}

function optionsShown(sample, answer) {
  if (!sample.c) return null;
  const list = element("ul", {class: "plainlist"});
  sample.c.forEach((content, place) => {
    const letter = String.fromCharCode(65 + place);
    const item = element("li", {}, element("bdi", {class: "text"}, `${letter}. ${content}`));
    const told = [sample.r && sample.r[0][2] === letter ? "right option" : "", answer && answer.a === letter ? "chosen" : ""].filter(Boolean);
    if (told.length) {
      item.className = "chosen-option";
      item.append(element("small", {}, told.join(", ")));
    }
    list.append(item);
  });
  return list;
}

function stepsShown(answer) {
  if (!answer.k) return null;
  if (!answer.k.length) return answer.u ? element("div", {}, `as it stands: ${answer.u} ${answer.u === 1 ? "step" : "steps"} changed nothing`) : null;
  const list = element("ol", {class: "plainlist"});
  for (const [name, after] of answer.k) list.append(element("li", {}, element("bdi", {class: "text"}, after || "(nothing)"), element("small", {}, name)));
  return list;
}

const blank = (raw) => (raw === "" ? "(nothing)" : `(nothing but blanks: ${JSON.stringify(raw)})`);

function answerShown(answer, outcome) {
  if (answer.x !== undefined) return text(`failed: ${answer.x}`, `answer ${outcome}`);
  const raw = answer.t || answer.a; // ranked options leave no text, only the chosen letter
  return text(raw.trim() === "" ? blank(raw) : raw, `answer ${outcome}`);
}

function othersShown(task, group, position, current) {
  const rows = group.runs.map((run, turn) => ({run, turn, answer: group.answers[turn][position]})).filter(({turn}) => turn !== current);
  if (!rows.length) return null;
  const list = element("ul", {class: "others"});
  for (const {run, turn, answer} of rows) {
    const value = group.listing.values[turn][position];
    const name = config.runs[run.run].name;
    const link = element("a", {href: address(task, group.listing.ids[position], name)}, element("bdi", {}, name));
    const said = answer ? (answer.x !== undefined ? `failed: ${answer.x}` : answer.t || answer.a) : "";
    list.append(element("li", {}, link, badge(value, run.scored), text(said)));
  }
  return list;
}

// A word as a shell takes it.
const quoted = (word) => (/^[\w@%+=:,.\/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function withoutText(task, group, position, run) {
  const folder = config.runs[run.run].folder;
  const command = `python -m eval_mm explain ${quoted(folder)} ${quoted(group.listing.ids[position])} --task ${quoted(task)}`;
  return element("div", {}, element("p", {}, "The text of this sample is not in this file, which holds the worst of each task as far as they fit. Where the run is, this shows it:"), element("code", {class: "command"}, command));
}

function renderSample(task, group, position, current, moves) {
  const run = group.runs[current], id = group.listing.ids[position], value = group.listing.values[current][position];
  const outcome = outcomeOf(value, run.scored);
  const sample = group.samples[position], answer = group.answers[current][position];
  const link = element("a", {href: address(task, id, config.runs[run.run].name), "aria-label": "Link to this sample"}, "link");
  const title = element("div", {class: "title"}, element("h3", {}, "Sample ", element("bdi", {}, id)), badge(value, run.scored), link, moves);
  if (sample === undefined) return [title, withoutText(task, group, position, run)];
  const labels = (group.listing.of[position] || []).map((number) => group.listing.labels[number]);
  const told = answer || {};
  const list = facts([
    ["Question", sample.q ? text(sample.q) : null],
    ["Options", optionsShown(sample, answer)],
    ["Answer", answer ? answerShown(answer, outcome) : text("(this run was not asked)")],
    ["Read as", answer && told.t && told.a !== told.t.trim() && told.x === undefined ? text(told.a === "" ? "(nothing)" : told.a) : null],
    ["Answer as it is compared", answer ? stepsShown(told) : null],
    ["Reasoning, not scored", told.h ? text(told.h) : null],
    ["Judged", answer && told.x === undefined ? text(told.e) : null],
    [sample.c ? "Right option" : "References", sample.c ? null : referencesShown(sample, run.scorer)],
    ["Prompt as sent", sample.p && sample.p[run.way] ? promptShown(sample.p[run.way]) : null],
    ["Length", told.l ? text(told.l) : null],
    ["Counts in", labels.length ? text(labels.join(", ")) : null],
    ["Other runs", othersShown(task, group, position, current)],
  ]);
  return [title, element("div", {class: "evidence"}, pictures(group, position, sample, answer, id), list)];
}
