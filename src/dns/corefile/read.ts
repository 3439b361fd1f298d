/** Reading the arguments of directives: each reader returns a value or refuses with the line. */
import { type Cidr, tryParseCidr, tryParseIp } from '../../model/ip.ts';
import { reverseZonesOf } from '../wire/address.ts';
import { CLASS, typeNumber } from '../wire/constants.ts';
import { type NameKey, nameKey } from '../wire/name.ts';
import type { Directive } from './parse.ts';
import type { Endpoint } from './plan.ts';
import { refuse } from './tokens.ts';

/** What a Corefile refers to. */
export interface CompileContext {
  /** What `/etc/resolv.conf` stands for: the node's own resolvers, as `ADDRESS[:PORT]`. */
  readonly nodeResolvers: readonly string[];
  /**
   * The files CoreDNS would see, by path: the keys of the ConfigMap `coredns` below `/etc/coredns`, those of
   * `coredns-custom` below `/etc/coredns/custom`. No other file is read.
   */
  readonly files: ReadonlyMap<string, string>;
}

/** The text of a file that a directive names, relative to `/etc/coredns`. */
export function readFile(path: string, { name, line }: Directive, { files }: CompileContext): string {
  const text = files.get(path.startsWith('/') ? path : `/etc/coredns/${path}`);
  return (
    text ??
    refuse(
      line,
      `${name}: there is no file ${path}`,
      'Add it to the ConfigMap coredns, as a key of that name.',
    )
  );
}

/** What stands between a directive's braces, by the option's name: each reader gets the option's line. */
export type Options = Readonly<Record<string, (option: Directive) => void>>;

/** Calls the reader of every option. @throws PodnetError for an option nobody reads */
export function readOptions({ name, block }: Directive, options: Options): void {
  for (const option of block) {
    const read = Object.hasOwn(options, option.name) ? options[option.name] : undefined;
    if (read === undefined) {
      const known = Object.keys(options).join(', ');
      refuse(
        option.line,
        `${name} has no option "${option.name}"`,
        known === '' ? `Remove it: ${name} has no options here.` : `Options are: ${known}.`,
      );
    }
    read(option);
  }
}

/** The arguments, of which there must be at least `least` and at most `most`. */
export function readArgs({ name, args, line }: Directive, least: number, most = least): readonly string[] {
  if (args.length >= least && args.length <= most) return args;
  const wanted =
    least === most ? String(least) : most === Infinity ? `${least} or more` : `${least} to ${most}`;
  return refuse(
    line,
    `${name} has ${args.length} argument${args.length === 1 ? '' : 's'}`,
    `It takes ${wanted}.`,
  );
}

/** The only argument. */
export function readArg(directive: Directive): string {
  return readArgs(directive, 1)[0] ?? '';
}

/** A directive that stands alone. */
export function readFlag(directive: Directive): true {
  readArgs(directive, 0);
  readOptions(directive, {});
  return true;
}

export function readWhole(
  text: string,
  line: number,
  { what, least = 0, most = Number.MAX_SAFE_INTEGER }: { what: string; least?: number; most?: number },
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  return refuse(line, `${what} is "${text}"`, `Write a whole number from ${least} to ${most}.`);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it, `1m30s`, in milliseconds. */
export function readDurationMs(text: string, line: number, what: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  const isWhole = parts.map(([part]) => part).join('') === text && text !== '';
  if (!isWhole) return refuse(line, `${what} is "${text}"`, 'Write a duration, as in 500ms, 30s or 1m30s.');
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
}

/** One of the words. */
export function readChoice<const T extends string>(
  text: string,
  line: number,
  { what, choices }: { what: string; choices: readonly T[] },
): T {
  const found = choices.find((choice) => choice === text);
  return found ?? refuse(line, `${what} is "${text}"`, `Write one of: ${choices.join(', ')}.`);
}

/** Zones as plugins take them; `otherwise` when there are none. A CIDR stands for its reverse zones. */
export function readZones(
  texts: readonly string[],
  line: number,
  otherwise: readonly NameKey[],
): readonly NameKey[] {
  return texts.length === 0 ? otherwise : texts.flatMap((text) => readZone(text, line));
}

export function readZone(text: string, line: number): readonly NameKey[] {
  const cidr = tryParseCidr(text)?.network;
  if (cidr !== undefined) return reverseZonesOf(cidr).map((name) => nameKey(name));
  try {
    return [nameKey(text)];
  } catch {
    return refuse(line, `"${text}" is not a zone`, 'Write a domain name, as in example.org, or a CIDR.');
  }
}

/** `fallthrough [ZONES]`: all of the plugin's zones unless told. */
export function readFallthrough({ args, line }: Directive): readonly NameKey[] {
  return readZones(args, line, [nameKey('.')]);
}

/** `[ADDRESS]:PORT`; the address may be left out. */
export function readEndpoint(text: string, line: number): Endpoint {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(text) ?? [];
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (port === '' || (address !== '' && address !== 'localhost' && tryParseIp(address) === undefined))
    refuse(line, `"${text}" is not an address with a port`, 'Write it as in :8080 or 127.0.0.1:8080.');
  return {
    address: address === 'localhost' ? '127.0.0.1' : address,
    port: readWhole(port, line, { what: 'The port', least: 1, most: 65_535 }),
  };
}

export function readType(text: string, line: number): number {
  return (
    typeNumber(text) ?? refuse(line, `"${text}" is not a record type`, 'Write it as in A, AAAA or TYPE65.')
  );
}

export function readClass(text: string, line: number): number {
  const upper = text.toUpperCase();
  if (Object.hasOwn(CLASS, upper)) return CLASS[upper as keyof typeof CLASS];
  return refuse(line, `"${text}" is not a class`, 'Write IN, CH, HS, NONE or ANY.');
}

/** A network, or the network of one address. */
export function readNetwork(text: string, line: number): Cidr {
  const address = tryParseIp(text);
  const cidr = tryParseCidr(address === undefined ? text : `${text}/${address.family === 4 ? 32 : 128}`);
  return cidr?.network ?? refuse(line, `"${text}" is not a network`, 'Write it as in 10.0.0.0/8.');
}

/** Longer patterns than anybody writes; and no pattern that takes for ever, as far as that can be seen. */
const MAX_PATTERN = 512;

/**
 * A regular expression as Go has them (RE2). What JavaScript reads otherwise or cannot bound is refused: a question of
 * a client must not keep the server busy, so that a quantified group may hold no quantifier.
 */
export function readPattern(text: string, line: number): RegExp {
  const named = text.replaceAll('(?P<', '(?<');
  if (text.length > MAX_PATTERN)
    refuse(line, 'The pattern is too long', `Keep it below ${MAX_PATTERN} characters.`);
  if (/\([^()]*[*+}|][^()]*\)[*+{]/.test(named) || /\\[1-9]|\(\?[=!]|\(\?<[=!]/.test(named)) {
    refuse(
      line,
      `The pattern ${text} may take too long, or is not one that CoreDNS takes`,
      'Write it without repeated groups that hold repetitions or choices, back references and look-around.',
    );
  }
  const [, flags = '', rest = named] = /^\(\?([is]+)\)(.*)$/s.exec(named) ?? [];
  try {
    return new RegExp(rest, flags);
  } catch {
    return refuse(line, `${text} is not a regular expression`, 'Correct its parentheses and escapes.');
  }
}
