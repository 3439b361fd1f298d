/**
 * Kubernetes quantities (`resource.Quantity`): a decimal number with an SI suffix (`100m`, `2k`), a binary one
 * (`64Mi`) or an exponent (`1e3`). They are exact to 10⁻⁹; what is finer is rounded up, away from zero.
 */

const nano = 1_000_000_000n;

const binary = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const decimal: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:([KMGTPE]i)|[eE]([+-]?\d+)|([numkMGTPE]?))$/;

/** In units of 10⁻⁹; undefined for a text that is no quantity. Numbers stand for their JSON text. */
export function tryParseQuantity(value: string | number): bigint | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  const match = text.length <= 100 ? pattern.exec(text) : null;
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', binarySuffix, exponentText, decimalSuffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const exponent = exponentText === undefined ? (decimal[decimalSuffix] ?? 0) : Number(exponentText);
  if (Math.abs(exponent) > 30) return undefined;
  let numerator = BigInt(whole + fraction) * nano;
  if (binarySuffix) numerator <<= 10n * BigInt(binary.findIndex((suffix) => suffix === binarySuffix) + 1);
  const shift = exponent - fraction.length;
  const magnitude =
    shift >= 0 ? numerator * 10n ** BigInt(shift) : divideUp(numerator, 10n ** BigInt(-shift));
  return sign === '-' ? -magnitude : magnitude;
}

/** @throws RangeError for a text that is no quantity */
export function parseQuantity(value: string | number): bigint {
  const parsed = tryParseQuantity(value);
  if (parsed === undefined) throw new RangeError(`"${value}" is not a quantity such as 100m, 1.5 or 64Mi`);
  return parsed;
}

/** In whole units, rounded up: bytes of memory, numbers of pods. Absent is 0. */
export function quantityValue(value: string | number | undefined): number {
  return value === undefined ? 0 : Number(divideAway(parseQuantity(value), nano));
}

/** In thousandths, rounded up: millicores. Absent is 0. */
export function quantityMilliValue(value: string | number | undefined): number {
  return value === undefined ? 0 : Number(divideAway(parseQuantity(value), nano / 1000n));
}

/** Negative, zero or positive, as `a` is less than, equal to or greater than `b`. */
export function compareQuantities(a: string | number, b: string | number): number {
  const difference = parseQuantity(a) - parseQuantity(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/**
 * The canonical text: the largest suffix that leaves a whole number, binary if the text used one (and the value is at
 * least 1024), an exponent if it used one: `1000m` is `1`, `0.5Gi` is `512Mi`, `1e3` stays `1e3`.
 */
export function canonicalQuantity(value: string | number): string {
  const units = parseQuantity(value);
  const text = String(value);
  const magnitude = units < 0n ? -units : units;
  const sign = units < 0n ? '-' : '';
  if (magnitude === 0n) return '0';
  if (text.endsWith('i') && magnitude % nano === 0n && magnitude >= 1024n * nano)
    return sign + withBinarySuffix(magnitude / nano);
  const useExponent = /\d[eE][+-]?\d/.test(text);
  let exponent = -9;
  let mantissa = magnitude;
  while (mantissa % 1000n === 0n && exponent < 18) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (useExponent) return sign + mantissa.toString() + (exponent === 0 ? '' : `e${exponent}`);
  const suffix = Object.keys(decimal).find((name) => decimal[name] === exponent) ?? '';
  return sign + mantissa.toString() + suffix;
}

function withBinarySuffix(value: bigint): string {
  let mantissa = value;
  let power = 0;
  while (mantissa % 1024n === 0n && power < binary.length) {
    mantissa /= 1024n;
    power++;
  }
  return mantissa.toString() + (binary[power - 1] ?? '');
}

function divideUp(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}

function divideAway(a: bigint, b: bigint): bigint {
  return a < 0n ? -divideUp(-a, b) : divideUp(a, b);
}
