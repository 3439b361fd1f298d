import { ExpressionWriter, register } from './encode-expressions.ts';
import type { ProtocolContext } from './protocol-context.ts';
import type { FieldValue } from './datatypes.ts';
import type { Expression } from './expressions.ts';
import { type Field, bounds, expressionFields, fieldBytes, namedNumber, prefixBounds } from './fields.ts';
import { DATA, RANGE, REG_VERDICT } from './nf-tables.ts';
import type { MessageWriter } from '../netlink/message.ts';
import type { Element } from './objects.ts';
import type { Match, VerdictMap } from './statements.ts';

/** A set that a rule carries within itself: `tcp dport { 80, 443 }`. */
export interface AnonymousSet {
  readonly key: readonly Field[];
  readonly verdicts: boolean;
  readonly elements: readonly Element[];
}

/** Makes the set for a rule and returns how the rule refers to it. */
export type AddAnonymousSet = (set: AnonymousSet) => { name: string; id: number };

/** Writes what a rule compares: loads a value and compares it, looks it up in a set, or takes a verdict from a map. */
export class MatchWriter extends ExpressionWriter {
  readonly #addSet: AddAnonymousSet;

  constructor(out: MessageWriter, protocols: ProtocolContext, addSet: AddAnonymousSet) {
    super(out, protocols);
    this.#addSet = addSet;
  }

  match({ left, relation, right }: Match): void {
    if (relation === 'in' || relation === 'not in') {
      const fields = this.load(left, 0);
      const set =
        typeof right === 'object' && 'kind' in right
          ? { name: right.name }
          : this.#addSet({ key: fields, verdicts: false, elements: listElements(right) });
      this.lookup(set, 0, undefined, relation === 'not in');
      return;
    }
    const [field, ...more] = expressionFields(left);
    if (field === undefined || more.length > 0)
      throw new RangeError(`A concatenation is matched with 'in' a set`);
    if (relation === 'any') return this.#anyFlag(left, field, right as readonly (string | number)[]);
    if (typeof right === 'object' && !(right instanceof Uint8Array) && !('from' in right)) {
      throw new RangeError(`A list or a set is matched with 'in' or 'not in'`);
    }
    this.#compareField({ left, relation, right, field });
  }

  #anyFlag(left: Expression, field: Field, flags: readonly (string | number)[]): void {
    const mask = flags.reduce<number>(
      (sum, flag) => sum | (typeof flag === 'number' ? flag : namedNumber(flag, field.type)),
      0,
    );
    this.load(left, 0);
    this.bitwise(0, fieldBytes(mask, field));
    this.compare(0, '!=', new Uint8Array(field.length));
  }

  #compareField({
    left,
    relation,
    right,
    field,
  }: { left: Expression; relation: Match['relation'] } & { right: FieldValue; field: Field }): void {
    const operator = relation as Exclude<Match['relation'], 'in' | 'not in' | 'any'>;
    if (typeof right === 'string' && right.includes('/') && field.type !== 'ifname') {
      return this.#comparePrefix(left, operator, right);
    }
    if (typeof right === 'string' && field.type === 'ifname' && right.endsWith('*')) {
      this.load(left, 0);
      const name = Buffer.from(right.slice(0, -1), 'utf8');
      if (name.length === 0 || name.length > 15) throw new RangeError(`No interface is named ${right}`);
      return this.compare(0, operator, name);
    }
    const [from, to] = bounds(right);
    this.load(left, 0);
    let target = field;
    const ordered = from !== to || (operator !== '==' && operator !== '!=');
    if (ordered && field.order === 'host' && field.length > 1) {
      this.toNetworkOrder(0, field.length);
      target = { ...field, order: 'big' };
    }
    if (from === to) {
      const bytes = fieldBytes(from, target);
      this.compare(0, operator, bytes);
      if (operator === '==') this.protocols.learn(left, bytes);
    } else if (operator === '==') {
      this.compare(0, '>=', fieldBytes(from, target));
      this.compare(0, '<=', fieldBytes(to, target));
    } else {
      this.expression('range', () => {
        this.out.attrU32be(RANGE.SREG, register(0)).attrU32be(RANGE.OP, 1);
        this.out.attrNested(RANGE.FROM, () => this.out.attrBytes(DATA.VALUE, fieldBytes(from, target)));
        this.out.attrNested(RANGE.TO, () => this.out.attrBytes(DATA.VALUE, fieldBytes(to, target)));
      });
    }
  }

  #comparePrefix(left: Expression, relation: '==' | '!=' | '<' | '<=' | '>' | '>=', prefix: string): void {
    const [address = '', length = ''] = prefix.split('/');
    if (relation !== '==' && relation !== '!=') throw new RangeError(`A prefix is matched with == or !=`);
    const { first, last } = prefixBounds(address, length === '' ? Number.NaN : Number(length));
    this.load(left, 0);
    this.bitwise(
      0,
      first.map((byte, index) => 0xff ^ byte ^ (last[index] ?? 0)),
    );
    this.compare(0, relation, first);
  }

  verdictMap({ key, map }: VerdictMap): void {
    const fields = this.load(key, 0);
    const set =
      'kind' in map
        ? { name: map.name }
        : this.#addSet({
            key: fields,
            verdicts: true,
            elements: map.map(([of, value]) => ({ key: of, value })),
          });
    this.lookup(set, 0, REG_VERDICT);
  }
}

/** `[80, 443]` are two elements of one field, `[['10.0.0.1', 80]]` is one of two. */
export function listElements(right: Match['right']): Element[] {
  const list = Array.isArray(right)
    ? (right as readonly (FieldValue | readonly FieldValue[])[])
    : [right as FieldValue];
  return list.map((item) => ({
    key: Array.isArray(item) ? (item as readonly FieldValue[]) : [item as FieldValue],
  }));
}
