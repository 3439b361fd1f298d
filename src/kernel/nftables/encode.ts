import { NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import type { NftCommand, NftContainer } from './commands.ts';
import { encodeElements } from './encode-elements.ts';
import { encodeSet } from './encode-set.ts';
import { encodeStatements } from './encode-statements.ts';
import { type AnonymousSet } from './encode-match.ts';
import { bounds } from './fields.ts';
import {
  CHAIN,
  COUNTER,
  ELEM_LIST,
  HOOK,
  MSG,
  NF_INET_HOOK,
  NF_NETDEV_HOOK,
  NF_VERDICT,
  OBJ,
  OBJECT_COUNTER,
  RULE,
  SET,
  TABLE,
} from './nf-tables.ts';
import {
  type Chain,
  type Elements,
  type NamedCounter,
  type NftMap,
  type NftSet,
  type Rule,
  type Table,
  elements,
  map,
  set,
} from './objects.ts';
import { printCommand, printElements } from './print.ts';
import { type Describe, tablesMessage } from './tables-message.ts';
import { commentUserData } from './userdata.ts';

/** A message of a batch and the command it came from. */
export interface EncodedMessage {
  readonly message: NetlinkMessage;
  /** Index in the list of commands. */
  readonly command: number;
}

/** Turns commands into nfnetlink messages. Throws RangeError when a value does not fit its type. */
export function encodeCommands(commands: readonly NftCommand[]): EncodedMessage[] {
  const encoder = new CommandEncoder();
  return commands.flatMap((command, index) => {
    try {
      return encoder.command(command).map((message) => ({ message, command: index }));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new RangeError(`${error.message}, in ${describeSafely(command)}`, { cause: error });
    }
  });
}

/** What cannot be encoded may not be printable either. */
function describeSafely(command: NftCommand): string {
  try {
    return printCommand(command);
  } catch {
    return `${command.verb} ${command.object.kind}`;
  }
}

const CREATE_FLAGS = { add: NLM_F.CREATE, create: NLM_F.CREATE | NLM_F.EXCL } as const;

class CommandEncoder {
  #setId = 0;

  command(command: NftCommand): NetlinkMessage[] {
    const describe = (): string => printCommand(command);
    switch (command.verb) {
      case 'add':
      case 'create':
        return this.#make(command, describe);
      case 'delete':
        return this.#delete(command.object, describe);
      case 'destroy':
        return [
          ...this.#make({ verb: 'add', object: command.object }, describe),
          ...this.#delete(command.object, describe),
        ];
      case 'flush':
        return [flushMessage(command.object, describe)];
      case 'insert':
      case 'replace':
        return this.#rule(command.object, command.verb, describe);
    }
  }

  #make({ verb, object }: NftCommand & { verb: 'add' | 'create' }, describe: Describe): NetlinkMessage[] {
    const flags = CREATE_FLAGS[verb];
    switch (object.kind) {
      case 'table':
        return [encodeTable(object, flags, describe)];
      case 'chain':
        return [encodeChain(object, flags, describe)];
      case 'set':
      case 'map':
        return [encodeSet(object, flags, { id: ++this.#setId, describe })];
      case 'counter':
        return [encodeCounter(object, flags, describe)];
      case 'elements':
        return elementMessages(object, verb, flags);
      case 'rule':
        return this.#rule(object, 'add', describe);
    }
  }

  #delete(object: NftContainer | Elements | Rule, describe: Describe): NetlinkMessage[] {
    switch (object.kind) {
      case 'table':
        return [
          tablesMessage(MSG.DELTABLE, 0, object.family).attrString(TABLE.NAME, object.name).finish(describe),
        ];
      case 'chain': {
        const out = tablesMessage(MSG.DELCHAIN, 0, object.table.family);
        out.attrString(CHAIN.TABLE, object.table.name).attrString(CHAIN.NAME, object.name);
        return [out.finish(describe)];
      }
      case 'set':
      case 'map': {
        const out = tablesMessage(MSG.DELSET, 0, object.table.family);
        return [
          out.attrString(SET.TABLE, object.table.name).attrString(SET.NAME, object.name).finish(describe),
        ];
      }
      case 'counter': {
        const out = tablesMessage(MSG.DELOBJ, 0, object.table.family);
        out.attrString(OBJ.TABLE, object.table.name).attrString(OBJ.NAME, object.name);
        return [out.attrU32be(OBJ.TYPE, OBJECT_COUNTER).finish(describe)];
      }
      case 'elements':
        return elementMessages(object, 'delete', 0);
      case 'rule': {
        if (object.handle === undefined) throw new RangeError('A rule is deleted by its handle');
        const out = tablesMessage(MSG.DELRULE, 0, object.chain.table.family);
        out.attrString(RULE.TABLE, object.chain.table.name).attrString(RULE.CHAIN, object.chain.name);
        return [out.attrU64be(RULE.HANDLE, object.handle).finish(describe)];
      }
    }
  }

  #rule(rule: Rule, verb: 'add' | 'insert' | 'replace', describe: Describe): NetlinkMessage[] {
    const { chain } = rule;
    const sets: NetlinkMessage[] = [];
    const flags = { add: NLM_F.CREATE | NLM_F.APPEND, insert: NLM_F.CREATE, replace: NLM_F.REPLACE }[verb];
    const out = tablesMessage(MSG.NEWRULE, flags, chain.table.family);
    out.attrString(RULE.TABLE, chain.table.name).attrString(RULE.CHAIN, chain.name);
    if (rule.handle !== undefined)
      out.attrU64be(verb === 'replace' ? RULE.HANDLE : RULE.POSITION, rule.handle);
    else if (verb === 'replace') throw new RangeError('A rule is replaced by its handle');
    const nest = out.openNest(RULE.EXPRESSIONS);
    encodeStatements(out, chain.table.family, rule.statements, (anonymous) => {
      const { id, messages } = this.#anonymousSet(chain.table, anonymous, describe);
      sets.push(...messages);
      return { name: ANONYMOUS_NAME, id };
    });
    out.closeNest(nest);
    if (rule.comment !== undefined) out.attrBytes(RULE.USERDATA, commentUserData(rule.comment));
    return [...sets, out.finish(describe)];
  }

  #anonymousSet(
    of: Table,
    { key, verdicts, elements: list }: AnonymousSet,
    describe: Describe,
  ): { id: number; messages: NetlinkMessage[] } {
    const id = ++this.#setId;
    const interval = list.some((element) =>
      element.key.some((value) => bounds(value)[0] !== bounds(value)[1]),
    );
    const common = {
      key: key.map(({ type }) => type),
      flags: interval ? (['constant', 'interval'] as const) : (['constant'] as const),
    };
    const holder = verdicts
      ? map(of, ANONYMOUS_NAME, { ...common, data: 'verdict' })
      : set(of, ANONYMOUS_NAME, common);
    const contents = encodeElements(MSG.NEWSETELEM, NLM_F.CREATE, { set: holder, id }, list, describe);
    return {
      id,
      messages: [
        encodeSet(holder, NLM_F.CREATE, { id, describe, anonymous: true }),
        ...contents.map(({ message }) => message),
      ],
    };
  }
}

/** The kernel fills in the number. */
const ANONYMOUS_NAME = '__set%d';

function encodeTable({ family, name, comment }: Table, flags: number, describe: Describe): NetlinkMessage {
  const out = tablesMessage(MSG.NEWTABLE, flags, family)
    .attrString(TABLE.NAME, name)
    .attrU32be(TABLE.FLAGS, 0);
  if (comment !== undefined) out.attrBytes(TABLE.USERDATA, commentUserData(comment));
  return out.finish(describe);
}

function encodeChain(
  { table, name, base, comment }: Chain,
  flags: number,
  describe: Describe,
): NetlinkMessage {
  const out = tablesMessage(MSG.NEWCHAIN, flags, table.family);
  out.attrString(CHAIN.TABLE, table.name).attrString(CHAIN.NAME, name);
  if (base !== undefined) {
    const { type, hook, priority, policy = 'accept', device } = base;
    const hooks: Readonly<Record<string, number>> = table.family === 'netdev' ? NF_NETDEV_HOOK : NF_INET_HOOK;
    const number = hooks[hook];
    if (number === undefined) throw new RangeError(`Family ${table.family} has no hook ${hook}`);
    out.attrString(CHAIN.TYPE, type).attrU32be(CHAIN.POLICY, NF_VERDICT[policy]);
    out.attrNested(CHAIN.HOOK, () => {
      out.attrU32be(HOOK.NUMBER, number).attrU32be(HOOK.PRIORITY, priority >>> 0);
      if (device !== undefined) out.attrString(HOOK.DEVICE, device);
    });
  }
  if (comment !== undefined) out.attrBytes(CHAIN.USERDATA, commentUserData(comment));
  return out.finish(describe);
}

function encodeCounter(
  { table, name, comment }: NamedCounter,
  flags: number,
  describe: Describe,
): NetlinkMessage {
  const out = tablesMessage(MSG.NEWOBJ, flags, table.family);
  out.attrString(OBJ.TABLE, table.name).attrString(OBJ.NAME, name).attrU32be(OBJ.TYPE, OBJECT_COUNTER);
  out.attrNested(OBJ.DATA, () => out.attrU64be(COUNTER.BYTES, 0n).attrU64be(COUNTER.PACKETS, 0n));
  if (comment !== undefined) out.attrBytes(OBJ.USERDATA, commentUserData(comment));
  return out.finish(describe);
}

function elementMessages(
  object: Elements,
  verb: 'add' | 'create' | 'delete',
  flags: number,
): NetlinkMessage[] {
  const type = verb === 'delete' ? MSG.DELSETELEM : MSG.NEWSETELEM;
  const describe = (first: number, count: number): string =>
    printElements(verb, elements(object.set, object.elements.slice(first, first + count)));
  return encodeElements(type, flags, { set: object.set }, object.elements, describe).map(
    ({ message }) => message,
  );
}

function flushMessage(object: Table | Chain | NftSet | NftMap, describe: Describe): NetlinkMessage {
  switch (object.kind) {
    case 'table':
      return tablesMessage(MSG.DELRULE, 0, object.family)
        .attrString(RULE.TABLE, object.name)
        .finish(describe);
    case 'chain': {
      const out = tablesMessage(MSG.DELRULE, 0, object.table.family);
      return out
        .attrString(RULE.TABLE, object.table.name)
        .attrString(RULE.CHAIN, object.name)
        .finish(describe);
    }
    case 'set':
    case 'map': {
      const out = tablesMessage(MSG.DELSETELEM, 0, object.table.family);
      return out
        .attrString(ELEM_LIST.TABLE, object.table.name)
        .attrString(ELEM_LIST.SET, object.name)
        .finish(describe);
    }
  }
}
