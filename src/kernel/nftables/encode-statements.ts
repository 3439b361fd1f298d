import { ctKey, register } from './encode-expressions.ts';
import { type AddAnonymousSet, MatchWriter } from './encode-match.ts';
import { ProtocolContext } from './protocol-context.ts';
import { writeVerdict } from './encode-elements.ts';
import { type Field, fieldBytes, typeField } from './fields.ts';
import {
  COUNTER,
  CT,
  DYNSET,
  DYNSET_OP,
  EXPR,
  ICMPV6_CODE,
  ICMPX,
  ICMP_CODE,
  IMMEDIATE,
  LIMIT,
  LIMIT_UNIT,
  LOG,
  LOG_LEVEL,
  MASQ,
  META,
  META_KEY,
  NAT,
  NAT_RANGE,
  NAT_TYPE,
  NFPROTO,
  OBJECT_COUNTER,
  OBJREF,
  REDIR,
  REG_VERDICT,
  REJECT,
  REJECT_TYPE,
} from './nf-tables.ts';
import type { MessageWriter } from '../netlink/message.ts';
import type { NftFamily } from './objects.ts';
import type {
  Assign,
  CounterStatement,
  Limit,
  Log,
  Masquerade,
  Nat,
  Redirect,
  Reject,
  Statement,
  UpdateSet,
} from './statements.ts';

/** Writes a rule's statements as the kernel's expressions. Throws RangeError when a statement cannot be. */
export function encodeStatements(
  out: MessageWriter,
  family: NftFamily,
  statements: readonly Statement[],
  addSet: AddAnonymousSet,
): void {
  const writer = new StatementWriter(out, family, addSet);
  for (const statement of statements) writer.statement(statement);
}

class StatementWriter extends MatchWriter {
  readonly #family: NftFamily;

  constructor(out: MessageWriter, family: NftFamily, addSet: AddAnonymousSet) {
    super(out, new ProtocolContext(family), addSet);
    this.#family = family;
  }

  statement(statement: Statement): void {
    switch (statement.kind) {
      case 'verdict':
        this.expression('immediate', () => {
          this.out.attrU32be(IMMEDIATE.DREG, REG_VERDICT);
          this.out.attrNested(IMMEDIATE.DATA, () => writeVerdict(this.out, statement));
        });
        break;
      case 'match':
        this.match(statement);
        break;
      case 'vmap':
        this.verdictMap(statement);
        break;
      case 'dnat':
      case 'snat':
        this.#nat(statement);
        break;
      case 'masquerade':
        this.#masquerade(statement);
        break;
      case 'redirect':
        this.#redirect(statement);
        break;
      case 'reject':
        this.#reject(statement);
        break;
      case 'counter':
        this.#counter(statement);
        break;
      case 'limit':
        this.#limit(statement);
        break;
      case 'log':
        this.#log(statement);
        break;
      case 'notrack':
        this.expression('notrack', () => undefined);
        break;
      case 'assign':
        this.#assign(statement);
        break;
      case 'add to set':
      case 'update set':
      case 'delete from set':
        this.#updateSet(statement);
        break;
    }
  }

  #nat({ kind, family, to, port, ...options }: Nat): void {
    const network = family ?? this.protocols.network ?? 'ip';
    let fields: readonly Field[];
    if (isLookup(to)) {
      fields = this.load(to, 0);
    } else {
      fields = [typeField(network === 'ip' ? 'ipv4_addr' : 'ipv6_addr')];
      this.immediate(0, fieldBytes(to as string, fields[0] as Field));
    }
    const portWord = ((fields[0]?.length ?? 4) + 3) >> 2;
    if (typeof port === 'number') this.immediate(portWord, fieldBytes(port, typeField('inet_service')));
    else if (port !== undefined) this.load(port, portWord);
    this.expression('nat', () => {
      this.out
        .attrU32be(NAT.TYPE, NAT_TYPE[kind])
        .attrU32be(NAT.FAMILY, NFPROTO[network])
        .attrU32be(NAT.ADDR_MIN, register(0));
      if (port !== undefined || fields.length > 1) this.out.attrU32be(NAT.PROTO_MIN, register(portWord));
      const flags = natFlags(options);
      if (flags !== 0) this.out.attrU32be(NAT.FLAGS, flags);
    });
  }

  #masquerade(options: Masquerade): void {
    const flags = natFlags(options);
    this.expression('masq', () => {
      if (flags !== 0) this.out.attrU32be(MASQ.FLAGS, flags);
    });
  }

  #redirect({ port }: Redirect): void {
    if (port !== undefined) this.immediate(0, fieldBytes(port, typeField('inet_service')));
    this.expression('redir', () => {
      if (port !== undefined) this.out.attrU32be(REDIR.PROTO_MIN, register(0));
    });
  }

  #reject({ with: reason }: Reject): void {
    if (reason === 'tcp reset') {
      const needed = this.protocols.needTransport(6);
      if (needed !== undefined) {
        this.meta(needed.key, register(0));
        this.compare(0, '==', needed.value);
      }
    }
    this.expression('reject', () => {
      if (reason === 'tcp reset') {
        this.out.attrU32be(REJECT.TYPE, REJECT_TYPE.TCP_RST);
      } else if (this.#family === 'ip' || this.#family === 'ip6') {
        const codes = this.#family === 'ip' ? ICMP_CODE : ICMPV6_CODE;
        this.out.attrU32be(REJECT.TYPE, REJECT_TYPE.ICMP).attrU8(REJECT.CODE, codes[reason]);
      } else {
        this.out.attrU32be(REJECT.TYPE, REJECT_TYPE.ICMPX).attrU8(REJECT.CODE, ICMPX[reason]);
      }
    });
  }

  #counter({ counter }: CounterStatement): void {
    if (counter === undefined) {
      this.expression('counter', () => this.out.attrU64be(COUNTER.BYTES, 0n).attrU64be(COUNTER.PACKETS, 0n));
    } else if (counter.kind === 'counter') {
      this.expression('objref', () => {
        this.out.attrU32be(OBJREF.IMM_TYPE, OBJECT_COUNTER).attrString(OBJREF.IMM_NAME, counter.name);
      });
    } else {
      this.load(counter.key, 0);
      this.expression('objref', () => {
        this.out.attrU32be(OBJREF.SET_SREG, register(0)).attrString(OBJREF.SET_NAME, counter.map.name);
      });
    }
  }

  #limit(limit: LimitRate): void {
    this.expression('limit', () => this.#limitRate(limit));
  }

  #limitRate({
    rate,
    per,
    unit = 'packets',
    burst = unit === 'packets' ? 5 : 0,
    over = false,
  }: LimitRate): void {
    this.out
      .attrU64be(LIMIT.RATE, BigInt(rate))
      .attrU64be(LIMIT.UNIT, BigInt(LIMIT_UNIT[per]))
      .attrU32be(LIMIT.TYPE, unit === 'packets' ? 0 : 1)
      .attrU32be(LIMIT.BURST, burst)
      .attrU32be(LIMIT.FLAGS, over ? 1 : 0);
  }

  #log({ prefix, group, level, snaplen }: Log): void {
    this.expression('log', () => {
      if (prefix !== undefined) {
        if (Buffer.byteLength(prefix) > 127) throw new RangeError(`A log prefix has at most 127 bytes`);
        this.out.attrString(LOG.PREFIX, prefix);
      }
      if (group !== undefined) this.out.attrU16be(LOG.GROUP, group);
      if (snaplen !== undefined) this.out.attrU32be(LOG.SNAPLEN, snaplen);
      if (level !== undefined) this.out.attrU32be(LOG.LEVEL, LOG_LEVEL[level]);
    });
  }

  #assign({ to, value }: Assign): void {
    if (typeof value === 'object' && 'kind' in value) this.load(value, 0);
    else this.immediate(0, fieldBytes(value as string | number, typeField(to.type)));
    if (to.kind === 'meta') {
      this.expression('meta', () =>
        this.out.attrU32be(META.KEY, META_KEY[to.key]).attrU32be(META.SREG, register(0)),
      );
    } else {
      this.expression('ct', () => this.out.attrU32be(CT.KEY, ctKey(to.key)).attrU32be(CT.SREG, register(0)));
    }
  }

  #updateSet({ kind, set, key, data, timeoutMs, limit }: UpdateSet): void {
    // Data first: to look it up takes more registers than it fills in the end.
    const dataFields = data === undefined ? [] : this.load(data, 0);
    const words = dataFields.reduce((sum, { length }) => sum + ((length + 3) >> 2), 0);
    this.load(key, words);
    this.expression('dynset', () => {
      this.out
        .attrString(DYNSET.NAME, set.name)
        .attrU32be(DYNSET.OP, DYNSET_OP[kind])
        .attrU32be(DYNSET.SREG_KEY, register(words));
      if (data !== undefined) this.out.attrU32be(DYNSET.SREG_DATA, register(0));
      if (timeoutMs !== undefined) this.out.attrU64be(DYNSET.TIMEOUT, BigInt(timeoutMs));
      if (limit !== undefined) {
        const nested = this.out.openNest(DYNSET.EXPR);
        this.out.attrString(EXPR.NAME, 'limit');
        const content = this.out.openNest(EXPR.DATA);
        this.#limitRate(limit);
        this.out.closeNest(content);
        this.out.closeNest(nested);
      }
    });
  }
}

type LimitRate = Omit<Limit, 'kind'>;

function isLookup(value: Nat['to']): value is Extract<Nat['to'], { kind: 'map' }> {
  return typeof value === 'object' && 'kind' in value;
}

function natFlags({
  random,
  fullyRandom,
  persistent,
}: Pick<Nat, 'random' | 'fullyRandom' | 'persistent'>): number {
  return (
    (random === true ? NAT_RANGE.PROTO_RANDOM : 0) |
    (fullyRandom === true ? NAT_RANGE.PROTO_RANDOM_FULLY : 0) |
    (persistent === true ? NAT_RANGE.PERSISTENT : 0)
  );
}
