/**
 * `conditionsV4` and `conditionsV6`: options of iptables(8) that a packet must match besides, as the standard plugin
 * takes them. What podnet can say in nf_tables is translated; the rest is refused, for a condition left out would open
 * ports to more than was meant.
 */
import { ct, fib, ip, ip6, masked, meta } from '../../../kernel/nftables/expressions.ts';
import { type Match, match } from '../../../kernel/nftables/statements.ts';
import { type IpFamily, formatCidr, tryParseCidr, tryParseIp } from '../../../model/ip.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';

export interface ConditionsSource {
  readonly family: IpFamily;
  /** For messages. */
  readonly key: string;
}

interface Option {
  readonly name: string;
  readonly value: string;
  readonly negated: boolean;
}

type Fail = (message: string) => CniError;

const RENAMED: ReadonlyMap<string, string> = new Map([
  ['-s', '--source'],
  ['--src', '--source'],
  ['-d', '--destination'],
  ['--dst', '--destination'],
  ['-i', '--in-interface'],
  ['-m', '--match'],
]);

/** Options that only say which extension the next ones belong to. */
const EXTENSIONS = new Set(['addrtype', 'comment', 'conntrack', 'iprange', 'mark']);
const ADDRESS_TYPES = new Set(['unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole']);
const STATES = new Set(['new', 'established', 'related', 'invalid', 'untracked']);

/** @throws CniError (invalid configuration) that names the key and the option that cannot be translated */
export function parseConditions(words: readonly string[], source: ConditionsSource): Match[] {
  const fail: Fail = (message) =>
    new CniError(`${source.key}: ${message}`, {
      code: cniErrorCodes.invalidConfig,
      details:
        'podnet understands --source, --destination, --in-interface, and of the extensions addrtype (--src-type, --dst-type), conntrack (--ctstate), iprange (--src-range, --dst-range), mark (--mark) and comment.',
    });
  return readOptions(words, fail).flatMap((option) => translate(option, source.family, fail));
}

function readOptions(words: readonly string[], fail: Fail): Option[] {
  const options: Option[] = [];
  for (let at = 0; at < words.length;) {
    let negated = words[at] === '!';
    if (negated) at++;
    const written = words[at] ?? '';
    if (!written.startsWith('-'))
      throw fail(`expected an option of iptables, not ${JSON.stringify(written)}`);
    at++;
    // The old form has the exclamation mark after the option.
    if (words[at] === '!') {
      negated = true;
      at++;
    }
    const value = words[at];
    if (value === undefined) throw fail(`${written} needs a value`);
    at++;
    options.push({ name: RENAMED.get(written) ?? written, value, negated });
  }
  return options;
}

function translate({ name, value, negated }: Option, family: IpFamily, fail: Fail): Match[] {
  const header = family === 4 ? ip : ip6;
  const is = negated ? '!=' : '==';
  const among = negated ? 'not in' : 'in';
  switch (name) {
    case '--source':
    case '--destination': {
      const field = name === '--source' ? header.saddr : header.daddr;
      const prefixes = value.split(',').map((text) => [prefix(text, family, fail)]);
      return [match(field, among, prefixes)];
    }
    case '--src-range':
    case '--dst-range': {
      const [from, to, ...more] = value.split('-').map((text) => tryParseIp(text)?.family === family && text);
      if (!from || !to || more.length > 0)
        throw fail(`${name} needs two IPv${family} addresses, not ${value}`);
      return [match(name === '--src-range' ? header.saddr : header.daddr, is, { from, to })];
    }
    case '--in-interface':
      if (value.endsWith('+')) throw fail('--in-interface with “+” is not supported');
      return [match(meta.iifname, is, value)];
    case '--src-type':
    case '--dst-type': {
      const type = value.toLowerCase();
      if (!ADDRESS_TYPES.has(type)) throw fail(`${name} ${value} is not supported`);
      return [match(fib([name === '--src-type' ? 'saddr' : 'daddr'], 'type'), is, type)];
    }
    case '--ctstate': {
      const states = value.toLowerCase().split(',');
      if (negated || states.some((state) => !STATES.has(state)))
        throw fail(`--ctstate ${value} is not supported${negated ? ' negated' : ''}`);
      return [match(ct.state, 'any', states)];
    }
    case '--mark': {
      const [mark, mask] = value.split('/').map(Number);
      if (mark === undefined || ![mark, mask ?? 0].every((each) => Number.isInteger(each) && each >= 0))
        throw fail(`--mark needs a number or NUMBER/MASK, not ${value}`);
      return [match(mask === undefined ? meta.mark : masked(meta.mark, mask), is, mark)];
    }
    case '--comment':
      return [];
    case '--match':
      if (EXTENSIONS.has(value) && !negated) return [];
      throw fail(`the extension ${value} is not supported`);
    default:
      throw fail(`${name} is not supported`);
  }
}

function prefix(text: string, family: IpFamily, fail: Fail): string {
  const network = tryParseCidr(text.includes('/') ? text : `${text}/${family === 4 ? 32 : 128}`)?.network;
  if (network?.family !== family) throw fail(`${JSON.stringify(text)} is no IPv${family} address or network`);
  return formatCidr(network);
}
