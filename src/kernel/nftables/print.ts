import type { NftCommand } from './commands.ts';
import type { DataTypeName } from './datatypes.ts';
import type { Expression } from './expressions.ts';
import { objectName as counterName } from './encode-elements.ts';
import { keyFields } from './fields.ts';
import type { Chain, Element, Elements, KeyType, NftMap, NftObject, NftSet, Rule } from './objects.ts';
import { printExpression, printFields, quote } from './print-expression.ts';
import { printDuration, printStatement, printVerdict } from './print-statement.ts';

/** Elements of one command that are written out; a command can have tens of thousands. */
const SHOWN_ELEMENTS = 8;

/** A script that `nft -f` reads, one command a line. */
export function printCommands(commands: readonly NftCommand[]): string {
  return commands
    .map((command) => `${printCommand(command, { elements: Number.POSITIVE_INFINITY })}\n`)
    .join('');
}

/** A command in nft's words. Long lists of elements are shortened, unless told. */
export function printCommand(command: NftCommand, options: { elements?: number } = {}): string {
  const { verb, object } = command;
  if (object.kind === 'elements') return printElements(verb as 'add', object, options.elements);
  if (object.kind === 'rule') return printRuleCommand(verb, object);
  const name = `${object.kind} ${objectName(object)}`;
  if (verb === 'add' || verb === 'create') return `${verb} ${name}${printDefinition(object)}`;
  if (verb === 'destroy') return `add ${name}${printDefinition(object)}\ndelete ${name}`;
  return `${verb} ${name}`;
}

function printRuleCommand(verb: string, rule: Rule): string {
  const handle = rule.handle === undefined ? '' : ` handle ${rule.handle}`;
  const place = `${verb} rule ${objectName(rule.chain)}${handle}`;
  return verb === 'delete' ? place : `${place} ${printRule(rule)}`;
}

/** A rule as it stands in its chain. */
export function printRule({ chain, statements, comment }: Rule): string {
  const text = statements.map((statement) => printStatement(statement, chain.table.family)).join(' ');
  return comment === undefined ? text : `${text} comment ${quote(comment)}`;
}

export function printElements(
  verb: 'add' | 'create' | 'delete',
  { set, elements }: Elements,
  show = SHOWN_ELEMENTS,
): string {
  const shown = elements.slice(0, show).map((element) => printElement(element, set));
  const more = elements.length > show ? `, … ${elements.length - show} more` : '';
  return `${verb} element ${objectName(set)} { ${shown.join(', ')}${more} }`;
}

export function printElement({ key, value, timeoutMs, comment }: Element, set: NftSet | NftMap): string {
  const timeout = timeoutMs === undefined ? '' : ` timeout ${printDuration(timeoutMs)}`;
  const note = comment === undefined ? '' : ` comment ${quote(comment)}`;
  const text = `${printFields(key, keyFields(set.key))}${timeout}${note}`;
  if (value === undefined || set.kind !== 'map') return text;
  if ('kind' in value) return `${text} : ${printVerdict(value)}`;
  if (typeof set.data === 'string') return `${text} : ${quote(counterName(value))}`;
  return `${text} : ${printFields(value, keyFields(set.data))}`;
}

/** `ip podnet-services endpoints`. Names are checked, for nft's text has no quotes for them. */
export function objectName(object: Exclude<NftObject, Elements | Rule>): string {
  if (object.kind === 'table') return `${object.family} ${checkedName(object.name)}`;
  return `${objectName(object.table)} ${checkedName(object.name)}`;
}

function checkedName(name: string): string {
  if (!/^[A-Za-z_][\w/.\\-]*$/u.test(name) || name.length > 255) {
    throw new RangeError(`nft has no name ${JSON.stringify(name)}`);
  }
  return name;
}

function printDefinition(object: Exclude<NftObject, Elements | Rule>): string {
  const parts: string[] = [];
  if (object.kind === 'chain' && object.base !== undefined) parts.push(printBase(object.base));
  if (object.kind === 'set' || object.kind === 'map') parts.push(...printSetProperties(object));
  if (object.comment !== undefined) parts.push(`comment ${quote(object.comment)};`);
  return parts.length === 0 ? '' : ` { ${parts.join(' ')} }`;
}

function printBase({ type, hook, priority, policy = 'accept', device }: NonNullable<Chain['base']>): string {
  const on = device === undefined ? '' : ` device ${quote(device)}`;
  return `type ${type} hook ${hook}${on} priority ${priority}; policy ${policy};`;
}

function printSetProperties(object: NftSet | NftMap): string[] {
  const data =
    object.kind === 'map'
      ? ` : ${typeof object.data === 'string' ? object.data : printType(object.data)}`
      : '';
  const word = typeof object.key[0] === 'string' ? 'type' : 'typeof';
  return [
    `${word} ${printType(object.key)}${data};`,
    ...(object.flags === undefined || object.flags.length === 0 ? [] : [`flags ${object.flags.join(',')};`]),
    ...(object.timeoutMs === undefined ? [] : [`timeout ${printDuration(object.timeoutMs)};`]),
    ...(object.gcIntervalMs === undefined ? [] : [`gc-interval ${printDuration(object.gcIntervalMs)};`]),
    ...(object.size === undefined ? [] : [`size ${object.size};`]),
    ...(object.counter === true ? ['counter;'] : []),
  ];
}

function printType(type: KeyType): string {
  return type
    .map((part: DataTypeName | Expression) => (typeof part === 'string' ? part : printExpression(part)))
    .join(' . ');
}
