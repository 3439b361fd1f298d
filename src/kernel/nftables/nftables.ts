import type { Netns } from '../netns.ts';
import { type NetlinkMessage, describeMessage } from '../netlink/message.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { type NetlinkSocket, openNetlinkSocket } from '../netlink/netlink-socket.ts';
import { type NetlinkReply } from '../netlink/reply.ts';
import type { NftCommand } from './commands.ts';
import {
  decodeChain,
  decodeElements,
  decodeRule,
  decodeSet,
  decodeTable,
  elementAtOffset,
  messageAttributes,
} from './decode.ts';
import { type EncodedMessage, encodeCommands } from './encode.ts';
import { batchMessage, tablesMessage } from './tables-message.ts';
import { ELEM_LIST, GEN_ID, MSG, RULE, SET, SET_FLAG, TABLE } from './nf-tables.ts';
import { NftablesError } from './nftables-error.ts';
import {
  type Chain,
  type Element,
  type NftFamily,
  type NftMap,
  type NftSet,
  type Table,
  elements,
} from './objects.ts';
import { printElements } from './print.ts';

/** The door to nf_tables in one network namespace. */
export interface Nftables {
  /**
   * Applies the commands in order as one atomic batch: all of them, or none and an `NftablesError` that names the
   * failing command.
   */
  apply(commands: readonly NftCommand[], options?: ApplyOptions): void;
  tables(family?: NftFamily): ListedTable[];
  /** Fails with ENOENT if the table does not exist, as all that follow. */
  chains(table: Table): ListedChain[];
  /** Sets and maps, without their elements. */
  sets(table: Table): ListedSet[];
  /** The elements, read by the key's and the data's types as `set` declares them, in the kernel's order. */
  elements(set: NftSet | NftMap): Element[];
  /** Of one chain, in order, or of all chains of a table. */
  rules(of: Table | Chain): ListedRule[];
  /** Counts the batches anybody committed in this namespace: unchanged means that nothing changed. */
  generation(): number;
  close(): void;
}

export interface ApplyOptions {
  /** False: a list too long for one batch is cut into several, in order. */
  readonly atomic?: boolean;
  /** Apply nothing and throw an error that `isOutdated` when anybody changed anything since that `generation()`. */
  readonly ifGeneration?: number;
}

export interface ListedTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly handle: bigint;
  readonly comment?: string;
}

export interface ListedChain {
  readonly name: string;
  readonly handle: bigint;
  readonly type?: string;
  readonly hook?: number;
  readonly priority?: number;
  readonly policy?: 'accept' | 'drop';
  readonly comment?: string;
}

export interface ListedSet {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly handle: bigint;
  /** The kernel's flags (NFT_SET_*). */
  readonly flags: number;
  readonly keyLength: number;
  readonly dataLength: number;
  readonly comment?: string;
}

export interface ListedRule {
  readonly chain: string;
  readonly handle: bigint;
  /** The kernel's names of its expressions, in order: `['payload', 'lookup']`. */
  readonly expressions: readonly string[];
  readonly comment?: string;
}

/** Opens the door in `netns`, the calling thread's own unless told. */
export function openNftables(options: { readonly netns?: Netns } = {}): Nftables {
  return new KernelNftables(openNetlinkSocket('netfilter', options));
}

/** Begin and end of a batch. */
const FRAME_BYTES = 48;

class KernelNftables implements Nftables {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  apply(commands: readonly NftCommand[], { atomic = true, ifGeneration }: ApplyOptions = {}): void {
    const messages = encodeCommands(commands);
    if (messages.length === 0) return;
    const limit = this.#socket.maxSendBytes - FRAME_BYTES;
    const begin = batchMessage('BEGIN', ifGeneration);
    for (const part of atomic ? [messages] : split(messages, limit))
      this.#commit(part, { begin, commands, limit });
  }

  #commit(
    part: readonly EncodedMessage[],
    { begin, commands, limit }: { begin: NetlinkMessage; commands: readonly NftCommand[]; limit: number },
  ): void {
    const bytes = part.reduce((sum, { message }) => sum + message.bytes.length, 0);
    if (bytes > limit) {
      const explanation = `${bytes} bytes, and net.core.wmem_max allows ${limit}`;
      throw new NftablesError('a batch in one piece', { errno: 90, code: 'EMSGSIZE', explanation });
    }
    // Errors name messages by their place here, which leads back to the command.
    const messages = [begin, ...part.map(({ message }) => message), batchMessage('END')].map(
      ({ bytes: content }, index) => ({ bytes: content, description: String(index) }),
    );
    const { errors } = this.#socket.batch(messages, { atomic: true, acknowledge: messages.length - 2 });
    const [error] = errors;
    if (error === undefined) return;
    const failed = part[Number(error.request) - 1];
    if (failed === undefined) throw new NftablesError('the batch', error);
    const command = commands[failed.command];
    throw new NftablesError(describeFailure(failed, error.explanation, command), error, command);
  }

  tables(family?: NftFamily): ListedTable[] {
    const replies = this.#list('list tables', () =>
      this.#socket.dump(tablesMessage(MSG.GETTABLE, 0, family).finish('')),
    );
    return replies.map(({ payload }) => decodeTable(payload));
  }

  chains(table: Table): ListedChain[] {
    this.#requireTable(table);
    const message = tablesMessage(MSG.GETCHAIN, 0, table.family).finish('');
    return this.#list(`list chains of ${table.name}`, () => this.#socket.dump(message))
      .map(({ payload }) => decodeChain(payload))
      .filter((chain) => chain.table === table.name)
      .map(({ listed }) => listed);
  }

  sets(table: Table): ListedSet[] {
    this.#requireTable(table);
    const message = tablesMessage(MSG.GETSET, 0, table.family).attrString(SET.TABLE, table.name).finish('');
    return this.#list(`list sets of ${table.name}`, () => this.#socket.dump(message))
      .map(({ payload }) => decodeSet(payload))
      .filter(({ flags }) => (flags & SET_FLAG.ANONYMOUS) === 0);
  }

  elements(set: NftSet | NftMap): Element[] {
    const out = tablesMessage(MSG.GETSETELEM, 0, set.table.family);
    out.attrString(ELEM_LIST.TABLE, set.table.name).attrString(ELEM_LIST.SET, set.name);
    const replies = this.#list(`list ${set.kind} ${set.table.name} ${set.name}`, () =>
      this.#socket.dump(out.finish('')),
    );
    return decodeElements(
      replies.map(({ payload }) => payload),
      set,
    );
  }

  rules(of: Table | Chain): ListedRule[] {
    const table = of.kind === 'table' ? of : of.table;
    this.#requireTable(table);
    const out = tablesMessage(MSG.GETRULE, 0, table.family).attrString(RULE.TABLE, table.name);
    if (of.kind === 'chain') out.attrString(RULE.CHAIN, of.name);
    return this.#list(`list rules of ${of.name}`, () => this.#socket.dump(out.finish(''))).map(
      ({ payload }) => decodeRule(payload),
    );
  }

  generation(): number {
    const [reply] = this.#list('get generation', () =>
      this.#socket.request(tablesMessage(MSG.GETGEN, 0, undefined).finish('')),
    );
    return reply === undefined ? 0 : (messageAttributes(reply.payload).u32be(GEN_ID) ?? 0);
  }

  #requireTable(table: Table): void {
    const message = tablesMessage(MSG.GETTABLE, 0, table.family)
      .attrString(TABLE.NAME, table.name)
      .finish('');
    this.#list(`list table ${table.family} ${table.name}`, () => this.#socket.request(message));
  }

  #list(request: string, ask: () => NetlinkReply[]): NetlinkReply[] {
    try {
      return ask();
    } catch (error) {
      throw error instanceof NetlinkError ? new NftablesError(request, error) : error;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

/** The command; of one with many elements, the one element that the kernel points at. */
function describeFailure({ message }: EncodedMessage, explanation?: string, command?: NftCommand): string {
  const offset = /^at byte (\d+) /u.exec(explanation ?? '')?.[1];
  if (command?.object.kind === 'elements' && offset !== undefined) {
    const { set } = command.object;
    const element = elementAtOffset(message.bytes, Number(offset), set);
    if (element !== undefined)
      return printElements(command.verb === 'delete' ? 'delete' : 'add', elements(set, [element]));
  }
  return describeMessage(message);
}

/** Cuts a list of messages into batches of at most `limit` bytes. Messages of one command may part. */
function* split(messages: readonly EncodedMessage[], limit: number): Generator<EncodedMessage[]> {
  let part: EncodedMessage[] = [];
  let bytes = 0;
  for (const encoded of messages) {
    const { length } = encoded.message.bytes;
    if (bytes + length > limit && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(encoded);
    bytes += length;
  }
  if (part.length > 0) yield part;
}
