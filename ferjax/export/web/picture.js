// Cuts a square out of a picture and resizes it as ferjax does: antialiased, in two passes whose
// results are rounded to bytes.

// Weights of the source pixels in each target pixel: a triangle, as wide as the reduction factor.
function weights(source, target) {
  const scale = source / target, width = Math.max(scale, 1), rows = [];
  for (let t = 0; t < target; t++) {
    const centre = (t + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - width + 0.5));
    const end = Math.min(source, Math.floor(centre + width + 0.5));
    const values = [];
    for (let s = first; s < end; s++) values.push(Math.max(0, 1 - Math.abs((s + 0.5 - centre) / width)));
    const sum = values.reduce((a, b) => a + b, 0);
    rows.push({ first, values: values.map((value) => value / sum) });
  }
  return rows;
}

// Resizes `lines` x `source` pixels of four bytes to `lines` x `target`, and transposes the result.
function resizeAndTranspose(pixels, lines, source, target) {
  const resized = new Uint8ClampedArray(lines * target * 4);
  const rows = weights(source, target);
  for (let line = 0; line < lines; line++) {
    for (let t = 0; t < target; t++) {
      for (let channel = 0; channel < 4; channel++) {
        let sum = 0;
        rows[t].values.forEach((value, k) => {
          sum += value * pixels[(line * source + rows[t].first + k) * 4 + channel];
        });
        resized[(t * lines + line) * 4 + channel] = sum;  // rounds and clips
      }
    }
  }
  return resized;
}

// Returns the square in pixels of a picture; size, left and top are per cent of the possible range.
export function square(width, height, size, left, top) {
  const side = Math.max(1, Math.round(Math.min(width, height) * size / 100));
  return { side, x: Math.round((width - side) * left / 100), y: Math.round((height - side) * top / 100) };
}

// Returns uint8 [height, width, channels] of the ImageData of a square.
export function networkInput(image, height, width, channels) {
  const narrow = resizeAndTranspose(image.data, image.height, image.width, width);
  const pixels = resizeAndTranspose(narrow, width, image.height, height);
  const bytes = new Uint8Array(height * width * channels);
  for (let k = 0; k < height * width; k++) {
    const [red, green, blue] = [pixels[4 * k], pixels[4 * k + 1], pixels[4 * k + 2]];
    if (channels === 1) bytes[k] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else bytes.set([red, green, blue], 3 * k);
  }
  return bytes;
}
