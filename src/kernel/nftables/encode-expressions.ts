import type { MessageWriter } from '../netlink/message.ts';
import type { ProtocolContext } from './protocol-context.ts';
import type { Conntrack, Expression, Fib, Hash, Masked, Meta, Numgen, Payload } from './expressions.ts';
import { type Field, expressionFields, fieldBytes, fieldsLength, paddedLength } from './fields.ts';
import {
  BITWISE,
  BYTEORDER,
  BYTEORDER_HTON,
  CMP,
  CMP_OP,
  CT,
  CT_KEY,
  DATA,
  EXPR,
  FIB,
  FIB_FLAG,
  FIB_RESULT,
  HASH,
  HASH_JENKINS,
  IMMEDIATE,
  LIST_ELEM,
  LOOKUP,
  LOOKUP_INVERT,
  META,
  META_KEY,
  NUMGEN,
  NUMGEN_TYPE,
  PAYLOAD,
  PAYLOAD_BASE,
  REG_1,
} from './nf-tables.ts';
import type { Relation } from './statements.ts';

/** Where in the 64 bytes of registers a value lies, in words of 32 bits. */
export type Word = number;

/** The kernel's number of the register at a word: 1 to 4 name 16 bytes, 8 to 23 four. */
export function register(word: Word): number {
  return word % 4 === 0 ? REG_1 + word / 4 : 8 + word;
}

/**
 * Writes the expressions of one rule (NFTA_LIST_ELEM, each a name and its attributes) and adds what an expression
 * silently relies on: `tcp dport` only reads a port after `meta l4proto tcp`, as nft does it too.
 */
export class ExpressionWriter {
  readonly out: MessageWriter;
  readonly protocols: ProtocolContext;

  constructor(out: MessageWriter, protocols: ProtocolContext) {
    this.out = out;
    this.protocols = protocols;
  }

  expression(name: string, body: () => void): void {
    const element = this.out.openNest(LIST_ELEM);
    this.out.attrString(EXPR.NAME, name);
    const data = this.out.openNest(EXPR.DATA);
    body();
    this.out.closeNest(data);
    this.out.closeNest(element);
  }

  /** Loads a value into the registers from `word` on; returns its fields. */
  load(expression: Expression, word: Word): Field[] {
    const dreg = register(word);
    switch (expression.kind) {
      case 'payload':
        this.#payload(expression, dreg);
        break;
      case 'meta':
        this.meta(expression.key, dreg);
        break;
      case 'ct':
        this.#ct(expression, dreg);
        break;
      case 'numgen':
        this.#numgen(expression, dreg);
        break;
      case 'fib':
        this.#fib(expression, dreg);
        break;
      case 'jhash':
        this.#hash(expression, word);
        break;
      case 'masked':
        this.#masked(expression, word);
        break;
      case 'concat':
        this.#concat(expression.parts, word);
        break;
      case 'map':
        this.load(expression.key, word);
        this.lookup({ name: expression.map.name }, word, dreg);
        break;
    }
    return expressionFields(expression);
  }

  /** Dependencies first, for they use the same registers. */
  #concat(parts: readonly Expression[], word: Word): void {
    for (const part of parts) if (part.kind === 'payload') this.#require(part);
    let at = word;
    for (const part of parts) {
      const fields = this.load(part, at);
      at += fields.reduce((sum, field) => sum + paddedLength(field) / 4, 0);
    }
  }

  #payload(expression: Payload, dreg: number): void {
    this.#require(expression);
    this.expression('payload', () => {
      this.out
        .attrU32be(PAYLOAD.DREG, dreg)
        .attrU32be(PAYLOAD.BASE, PAYLOAD_BASE[expression.base])
        .attrU32be(PAYLOAD.OFFSET, expression.offset)
        .attrU32be(PAYLOAD.LEN, expression.length);
    });
  }

  #require(expression: Payload): void {
    const needed = this.protocols.need(expression);
    if (needed === undefined) return;
    this.meta(needed.key, REG_1);
    this.compare(0, '==', needed.value);
  }

  meta(key: Meta['key'] | 'iiftype', dreg: number): void {
    const number = key === 'iiftype' ? 8 : META_KEY[key];
    this.expression('meta', () => this.out.attrU32be(META.KEY, number).attrU32be(META.DREG, dreg));
  }

  #ct({ key, direction }: Conntrack, dreg: number): void {
    this.expression('ct', () => {
      this.out.attrU32be(CT.KEY, ctKey(key)).attrU32be(CT.DREG, dreg);
      if (direction !== undefined) this.out.attrU8(CT.DIRECTION, direction === 'original' ? 0 : 1);
    });
  }

  #numgen({ modulus, mode, offset }: Numgen, dreg: number): void {
    this.expression('numgen', () => {
      this.out
        .attrU32be(NUMGEN.DREG, dreg)
        .attrU32be(NUMGEN.MODULUS, modulus)
        .attrU32be(NUMGEN.TYPE, NUMGEN_TYPE[mode])
        .attrU32be(NUMGEN.OFFSET, offset);
    });
  }

  #fib({ flags, result }: Fib, dreg: number): void {
    this.expression('fib', () => {
      this.out
        .attrU32be(FIB.DREG, dreg)
        .attrU32be(FIB.RESULT, FIB_RESULT[result])
        .attrU32be(
          FIB.FLAGS,
          flags.reduce((sum, flag) => sum | FIB_FLAG[flag], 0),
        );
    });
  }

  #hash({ of, modulus, seed, offset }: Hash, word: Word): void {
    const fields = this.load(of, word);
    this.expression('hash', () => {
      this.out
        .attrU32be(HASH.SREG, register(word))
        .attrU32be(HASH.DREG, register(word))
        .attrU32be(HASH.LEN, fieldsLength(fields))
        .attrU32be(HASH.MODULUS, modulus)
        .attrU32be(HASH.OFFSET, offset)
        .attrU32be(HASH.TYPE, HASH_JENKINS);
      if (seed !== undefined) this.out.attrU32be(HASH.SEED, seed);
    });
  }

  #masked({ of, mask }: Masked, word: Word): void {
    const [field] = this.load(of, word);
    if (field !== undefined) this.bitwise(word, fieldBytes(mask, field));
  }

  /** Keeps the bits of the register that `mask` has. */
  bitwise(word: Word, mask: Uint8Array): void {
    this.expression('bitwise', () => {
      this.out
        .attrU32be(BITWISE.SREG, register(word))
        .attrU32be(BITWISE.DREG, register(word))
        .attrU32be(BITWISE.LEN, mask.length);
      this.#value(BITWISE.MASK, mask);
      this.#value(BITWISE.XOR, new Uint8Array(mask.length));
    });
  }

  compare(word: Word, relation: Relation, value: Uint8Array): void {
    this.expression('cmp', () => {
      this.out.attrU32be(CMP.SREG, register(word)).attrU32be(CMP.OP, CMP_OP[relation]);
      this.#value(CMP.DATA, value);
    });
  }

  /** From the host's byte order to the network's, in which the kernel compares. */
  toNetworkOrder(word: Word, length: number): void {
    this.expression('byteorder', () => {
      this.out
        .attrU32be(BYTEORDER.SREG, register(word))
        .attrU32be(BYTEORDER.DREG, register(word))
        .attrU32be(BYTEORDER.OP, BYTEORDER_HTON)
        .attrU32be(BYTEORDER.LEN, length)
        .attrU32be(BYTEORDER.SIZE, length);
    });
  }

  /** Ends the rule unless the set has the key; `dreg` gets what a map says of it. */
  lookup(set: { name: string; id?: number }, word: Word, dreg?: number, invert = false): void {
    this.expression('lookup', () => {
      this.out.attrString(LOOKUP.SET, set.name).attrU32be(LOOKUP.SREG, register(word));
      if (dreg !== undefined) this.out.attrU32be(LOOKUP.DREG, dreg);
      if (set.id !== undefined) this.out.attrU32be(LOOKUP.SET_ID, set.id);
      if (invert) this.out.attrU32be(LOOKUP.FLAGS, LOOKUP_INVERT);
    });
  }

  immediate(word: Word, value: Uint8Array): void {
    this.expression('immediate', () => {
      this.out.attrU32be(IMMEDIATE.DREG, register(word));
      this.#value(IMMEDIATE.DATA, value);
    });
  }

  #value(type: number, value: Uint8Array): void {
    this.out.attrNested(type, () => this.out.attrBytes(DATA.VALUE, value));
  }
}

/** The number of a conntrack key. Throws RangeError for an unknown one. */
export function ctKey(key: string): number {
  if (!Object.hasOwn(CT_KEY, key)) throw new RangeError(`Unknown conntrack key ${JSON.stringify(key)}`);
  return CT_KEY[key as keyof typeof CT_KEY];
}
