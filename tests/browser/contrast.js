// Texts in sight whose contrast with what is behind them is below 4.5 to 1.
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const part = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const behind = (node) => {
    for (let above = node; above; above = above.parentElement) {
      const ground = rgba(getComputedStyle(above).backgroundColor);
      if (ground[3] === 255) return ground;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || node.closest("script, style, .unseen, option, title, .skip")) continue;
    if (!node.checkVisibility({visibilityProperty: true})) continue;
    const style = getComputedStyle(node);
    const [one, other] = [light(rgba(node instanceof SVGElement ? style.fill : style.color)), light(behind(node))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${node.tagName}.${node.getAttribute("class")}: ${text.slice(0, 40)}`);
  }
  for (const field of document.querySelectorAll("[placeholder]")) {
    const [one, other] = [light(rgba(getComputedStyle(field, "::placeholder").color)), light(behind(field))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (field.checkVisibility() && ratio < 4.5) found.push(`${ratio.toFixed(2)} ${field.id}: ${field.placeholder}`);
  }
  return found;
}
