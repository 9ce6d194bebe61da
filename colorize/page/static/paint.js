// Grey levels and ab painted as sRGB: `color.paint` and `upsampling.strips` of the
// Python package, for pictures on the screen. A test compares the two.

const FROM_XYZ = [ // linear sRGB from XYZ / white
  [3.07998037, -1.53715158, -0.54282129],
  [-0.92124778, 1.87599003, 0.04524734],
  [0.05289046, -0.20404133, 1.15123200],
];
const KNEE = 0.008856, SLOPE = 7.787, OFFSET = 16 / 116, F_KNEE = 0.2068966;
const TOLERANCE = 1e-4; // of the gamut, in linear light
const BISECTIONS = 10;

const Y = new Float64Array(256); // linear light of each grey level
const F = new Float64Array(256); // and (L + 16) / 116
for (let level = 0; level < 256; level++) {
  const v = level / 255;
  Y[level] = v > 0.04045 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92;
  F[level] = Y[level] > KNEE ? Math.cbrt(Y[level]) : SLOPE * Y[level] + OFFSET;
}

const FINE = 65535;
const ENCODED = new Uint8Array(FINE + 1); // the sRGB level of each step of linear light
for (let step = 0; step <= FINE; step++) {
  const v = step / FINE;
  ENCODED[step] = Math.round(
    255 * (v > 0.0031308 ? 1.055 * v ** (1 / 2.4) - 0.055 : 12.92 * v));
}

function level(light) {
  return ENCODED[light <= 0 ? 0 : light >= 1 ? FINE : (light * FINE + 0.5) | 0];
}

function cube(f) {
  return f > F_KNEE ? f * f * f : (f - OFFSET) / SLOPE;
}

/** The colour of a grey level with a and b, as `#3b5f8a`; chroma gives way. */
export function hexOf(grey, a, b) {
  const rgba = paint({ levels: [grey], a: [a], b: [b] }, 1);
  return `#${Array.from(rgba.subarray(0, 3), (c) => c.toString(16).padStart(2, "0")).join("")}`;
}

const TO_XYZ = inverse(FROM_XYZ);

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / whole));
}

/** a and b of a colour such as `#3b5f8a`. */
export function abOf(colour) {
  const rgb = [1, 3, 5].map((at) => Y[parseInt(colour.slice(at, at + 2), 16)]);
  const [x, y, z] = TO_XYZ.map((row) => {
    const share = row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2];
    return share > KNEE ? Math.cbrt(share) : SLOPE * share + OFFSET;
  });
  return [500 * (x - y), 200 * (y - z)];
}

/** Enlarges a plane to (height, width), bicubic as Pillow does it (Keys 1981). */
function enlargePlane(plane, rows, columns, height, width) {
  const across = weights(columns, width);
  const wide = new Float32Array(rows * width);
  for (let x = 0; x < width; x++) {
    const { first, shares } = across[x];
    for (let y = 0; y < rows; y++) {
      let sum = 0;
      for (let k = 0; k < shares.length; k++) {
        sum += shares[k] * plane[y * columns + first + k];
      }
      wide[y * width + x] = sum;
    }
  }
  const down = weights(rows, height);
  const large = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const { first, shares } = down[y];
    for (let k = 0; k < shares.length; k++) {
      const share = shares[k], start = (first + k) * width;
      for (let x = 0; x < width; x++) large[y * width + x] += share * wide[start + x];
    }
  }
  return large;
}

/** How each place of a longer line is made of those of the shorter one. */
function weights(small, large) {
  const found = [];
  for (let i = 0; i < large; i++) {
    const centre = (i + 0.5) * small / large;
    const first = Math.max(0, Math.round(centre - 2));
    const last = Math.min(small, Math.round(centre + 2));
    const shares = [];
    let sum = 0;
    for (let k = first; k < last; k++) {
      const x = Math.abs(k + 0.5 - centre);
      const share = x < 1 ? (1.5 * x - 2.5) * x * x + 1
        : x < 2 ? ((2.5 - 0.5 * x) * x - 4) * x + 2 : 0;
      shares.push(share);
      sum += share;
    }
    found.push({ first, shares: shares.map((share) => share / sum) });
  }
  return found;
}

/** A preview as the server packs it, ab enlarged: see preview.py. */
export function unpack(buffer) {
  const [height, width, channels, rows, columns] = new Uint32Array(buffer, 0, 5);
  const [count, small] = [height * width, rows * columns];
  const ab = new Float32Array(buffer, 20, 2 * small);
  const start = 20 + 8 * small;
  const levels = new Uint8Array(buffer, start, count);
  return {
    height,
    width,
    levels,
    original: channels === 3 ? new Uint8Array(buffer, start + count, 3 * count) : null,
    a: enlargePlane(ab.subarray(0, small), rows, columns, height, width),
    b: enlargePlane(ab.subarray(small), rows, columns, height, width),
  };
}

/** The original as RGBA. */
export function paintOriginal(preview) {
  const { levels, original } = preview;
  const rgba = new Uint8ClampedArray(4 * levels.length);
  for (let i = 0; i < levels.length; i++) {
    for (let c = 0; c < 3; c++) rgba[4 * i + c] = original ? original[3 * i + c] : levels[i];
    rgba[4 * i + 3] = 255;
  }
  return rgba;
}

const WARM = [3, 12]; // Lab units of ab at warmth 1

/** The coloured picture as RGBA; lightness and hue survive, chroma gives way. */
export function paint(preview, saturation, warmth = 0) {
  const { levels, a, b } = preview;
  const rgba = new Uint8ClampedArray(4 * levels.length);
  const [[rx, ry, rz], [gx, gy, gz], [bx, by, bz]] = FROM_XYZ;
  const low = -TOLERANCE, high = 1 + TOLERANCE;
  for (let i = 0; i < levels.length; i++) {
    const y = Y[levels[i]], f = F[levels[i]];
    const da = (saturation * a[i] + warmth * WARM[0]) / 500;
    const db = (saturation * b[i] + warmth * WARM[1]) / 200;
    if (da === 0 && db === 0) {
      rgba.fill(levels[i], 4 * i, 4 * i + 3);
      rgba[4 * i + 3] = 255;
      continue;
    }
    let share = 1, step = 0; // the largest share of chroma known to be displayable
    let red, green, blue;
    for (;;) {
      const tried = step === 0 || step > BISECTIONS ? share : share + 0.5 ** step;
      const x = cube(f + da * tried), z = cube(f - db * tried);
      red = rx * x + ry * y + rz * z;
      green = gx * x + gy * y + gz * z;
      blue = bx * x + by * y + bz * z;
      const fits = red >= low && red <= high && green >= low && green <= high
        && blue >= low && blue <= high;
      if (step === 0) {
        if (fits) break;
        share = 0;
      } else if (step > BISECTIONS) {
        break;
      } else if (fits) {
        share = tried;
      }
      step++;
    }
    rgba[4 * i] = level(red);
    rgba[4 * i + 1] = level(green);
    rgba[4 * i + 2] = level(blue);
    rgba[4 * i + 3] = 255;
  }
  return rgba;
}
