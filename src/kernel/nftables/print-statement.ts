import type { FieldValue } from './datatypes.ts';
import { listElements } from './encode-match.ts';
import { type Field, expressionFields, typeField } from './fields.ts';
import type { NftFamily } from './objects.ts';
import { printExpression, printField, printFields, quote } from './print-expression.ts';
import type {
  Assign,
  Limit,
  Log,
  Match,
  Nat,
  Reject,
  Statement,
  UpdateSet,
  Verdict,
  VerdictMap,
} from './statements.ts';

/** A statement in nft's words. What depends on the family is written for `family`. */
export function printStatement(statement: Statement, family: NftFamily): string {
  switch (statement.kind) {
    case 'verdict':
      return printVerdict(statement);
    case 'match':
      return printMatch(statement);
    case 'vmap':
      return `${printExpression(statement.key)} vmap ${printVerdictMap(statement)}`;
    case 'dnat':
    case 'snat':
      return printNat(statement, family);
    case 'masquerade':
      return ['masquerade', ...natFlags(statement)].join(' ');
    case 'redirect':
      return statement.port === undefined ? 'redirect' : `redirect to :${statement.port}`;
    case 'reject':
      return printReject(statement, family);
    case 'counter':
      if (statement.counter === undefined) return 'counter';
      return statement.counter.kind === 'counter'
        ? `counter name ${quote(statement.counter.name)}`
        : `counter name ${printExpression(statement.counter)}`;
    case 'limit':
      return printLimit(statement);
    case 'log':
      return printLog(statement);
    case 'notrack':
      return 'notrack';
    case 'assign':
      return printAssign(statement);
    case 'add to set':
    case 'update set':
    case 'delete from set':
      return printUpdateSet(statement);
  }
}

export function printVerdict(verdict: Verdict): string {
  return 'chain' in verdict ? `${verdict.verdict} ${verdict.chain}` : verdict.verdict;
}

function printMatch({ left, relation, right }: Match): string {
  const fields = expressionFields(left);
  const name = printExpression(left);
  if (relation === 'any') {
    return `${name} ${(right as readonly FieldValue[]).map((flag) => printFields([flag], fields)).join(',')}`;
  }
  if (relation === 'in' || relation === 'not in') {
    return `${name} ${relation === 'in' ? '' : '!= '}${printSet(right, fields)}`;
  }
  // A masked value needs its operator written, or nft reads a list of flags.
  const operator = relation === '==' && left.kind !== 'masked' ? '' : `${relation} `;
  return `${name} ${operator}${printFields([right as FieldValue], fields)}`;
}

function printSet(right: Match['right'], fields: readonly Field[]): string {
  if (typeof right === 'object' && 'kind' in right) return `@${right.name}`;
  return `{ ${listElements(right)
    .map(({ key }) => printFields(key, fields))
    .join(', ')} }`;
}

function printVerdictMap({ key, map }: VerdictMap): string {
  if ('kind' in map) return `@${map.name}`;
  const fields = expressionFields(key);
  return `{ ${map.map(([of, verdict]) => `${printFields(of, fields)} : ${printVerdict(verdict)}`).join(', ')} }`;
}

function natFlags(options: { random?: boolean; fullyRandom?: boolean; persistent?: boolean }): string[] {
  const flags = [
    ...(options.random === true ? ['random'] : []),
    ...(options.fullyRandom === true ? ['fully-random'] : []),
    ...(options.persistent === true ? ['persistent'] : []),
  ];
  return flags.length === 0 ? [] : [flags.join(',')];
}

function printNat(statement: Nat, family: NftFamily): string {
  const { kind, to, port } = statement;
  const lookup = typeof to === 'object' && 'kind' in to;
  const network = statement.family ?? (family === 'ip6' ? 'ip6' : 'ip');
  const addressAndPort = lookup && expressionFields(to).length > 1;
  const prefix = family === 'inet' || addressAndPort ? `${kind} ${network}` : kind;
  const type = network === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  let target = lookup ? printExpression(to) : printField(to, type);
  if (port !== undefined) {
    if (network === 'ip6' && !lookup) target = `[${target}]`;
    target += `:${typeof port === 'number' ? port : printExpression(port)}`;
  }
  return [`${prefix} to ${target}`, ...natFlags(statement)].join(' ');
}

const ICMP_NAMES = {
  ip: { 'no-route': 'net-unreachable', 'host-unreachable': 'host-unreachable' },
  ip6: { 'no-route': 'no-route', 'host-unreachable': 'addr-unreachable' },
} as const;

function printReject({ with: reason }: Reject, family: NftFamily): string {
  if (reason === 'tcp reset') return 'reject with tcp reset';
  if (reason === 'port-unreachable') return 'reject';
  if (family !== 'ip' && family !== 'ip6') return `reject with icmpx ${reason}`;
  const name = reason === 'admin-prohibited' ? reason : ICMP_NAMES[family][reason];
  return `reject with ${family === 'ip' ? 'icmp' : 'icmpv6'} ${name}`;
}

function printLimit({ rate, per, unit = 'packets', burst, over = false }: Limit): string {
  const amount = unit === 'packets' ? `${rate}` : `${rate} bytes`;
  const allowance = burst === undefined ? '' : ` burst ${burst} ${unit}`;
  return `limit rate ${over ? 'over ' : ''}${amount}/${per}${allowance}`;
}

function printLog({ prefix, group, level, snaplen }: Log): string {
  return [
    'log',
    ...(prefix === undefined ? [] : [`prefix ${quote(prefix)}`]),
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(snaplen === undefined ? [] : [`snaplen ${snaplen}`]),
    ...(level === undefined ? [] : [`level ${level}`]),
  ].join(' ');
}

function printAssign({ to, value }: Assign): string {
  const text =
    typeof value === 'object' && 'kind' in value
      ? printExpression(value)
      : printFields([value], [typeField(to.type)]);
  return `${printExpression(to)} set ${text}`;
}

function printUpdateSet({ kind, set, key, data, timeoutMs, limit }: UpdateSet): string {
  const verb = { 'add to set': 'add', 'update set': 'update', 'delete from set': 'delete' }[kind];
  const timeout = timeoutMs === undefined ? '' : ` timeout ${printDuration(timeoutMs)}`;
  const rate = limit === undefined ? '' : ` ${printLimit({ kind: 'limit', ...limit })}`;
  const value = data === undefined ? '' : ` : ${printExpression(data)}`;
  return `${verb} @${set.name} { ${printExpression(key)}${timeout}${rate}${value} }`;
}

/** A time as nft writes it: `1d2h3m4s5ms` without the parts that are nought. */
export function printDuration(milliseconds: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ] as const;
  let rest = milliseconds;
  let text = '';
  for (const [unit, length] of units) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}
