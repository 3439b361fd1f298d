import type { NftCommand } from './commands.ts';
import { encodeCommands } from './encode.ts';
import { keyFields } from './fields.ts';
import type {
  Chain,
  Element,
  Elements,
  NftFamily,
  NftMap,
  NftObject,
  NftSet,
  Rule,
  Table,
} from './objects.ts';
import { SET_FLAG } from './nf-tables.ts';
import { type References, references } from './references.ts';
import { ERESTART, NftablesError } from './nftables-error.ts';
import type { ApplyOptions, ListedChain, ListedRule, ListedSet, ListedTable, Nftables } from './nftables.ts';
import { printCommand, printElement, printRule } from './print.ts';
import { printFields } from './print-expression.ts';

/**
 * nf_tables in memory, for tests without a kernel. It holds what was applied, encodes every command as the real one
 * does, and refuses what the kernel refuses: names that do not exist, or exist already, or are still in use.
 * What it does not do: evaluate packets, count, or let elements time out.
 */
export interface FakeNftables extends Nftables {
  /** The whole state in nft's words, for comparison in tests. */
  dump(): string;
  /** Every list of commands that was applied. */
  readonly applied: readonly (readonly NftCommand[])[];
}

export function createFakeNftables(): FakeNftables {
  return new MemoryNftables();
}

interface FakeTable {
  readonly definition: Table;
  readonly handle: bigint;
  readonly chains: Map<string, { definition: Chain; handle: bigint; rules: FakeRule[] }>;
  readonly sets: Map<string, { definition: NftSet | NftMap; handle: bigint; elements: Map<string, Element> }>;
  readonly counters: Map<string, { comment: string | undefined }>;
}

interface FakeRule {
  readonly rule: Rule;
  readonly handle: bigint;
}

const ERRNO = { ENOENT: 2, EBUSY: 16, EEXIST: 17, EINVAL: 22 } as const;
type Code = keyof typeof ERRNO;

/** Thrown within; `apply` adds the command. */
class Refusal extends Error {
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.code = code;
  }
}

class MemoryNftables implements FakeNftables {
  #tables = new Map<string, FakeTable>();
  #nextHandle = 1n;
  #generation = 1;
  readonly applied: (readonly NftCommand[])[] = [];

  apply(commands: readonly NftCommand[], { ifGeneration = this.#generation }: ApplyOptions = {}): void {
    if (commands.length === 0) return;
    if (ifGeneration !== this.#generation)
      throw new NftablesError('the batch', { errno: ERESTART, code: 'ERESTART' });
    encodeCommands(commands);
    const before = this.#tables;
    this.#tables = copyTables(before);
    try {
      for (const command of commands) this.#applyOne(command);
    } catch (error) {
      this.#tables = before;
      throw error;
    }
    this.applied.push(commands);
    this.#generation++;
  }

  #applyOne(command: NftCommand): void {
    try {
      this.#change(command);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const cause = { errno: ERRNO[error.code], code: error.code, explanation: error.message };
      throw new NftablesError(printCommand(command), cause, command);
    }
  }

  #change({ verb, object }: NftCommand): void {
    switch (verb) {
      case 'add':
      case 'create':
        return this.#make(object, verb === 'create');
      case 'delete':
        return this.#delete(object);
      case 'destroy':
        this.#make(object, false);
        return this.#delete(object);
      case 'flush':
        return this.#flush(object);
      case 'insert':
      case 'replace':
        return this.#placeRule(object, verb);
    }
  }

  #make(object: NftObject, exclusive: boolean): void {
    if (object.kind === 'elements') return this.#addElements(object, exclusive);
    if (object.kind === 'rule') return this.#placeRule(object, 'add');
    const holder =
      object.kind === 'table' ? this.#tables : this.#table(object.table)[collectionOf(object.kind)];
    const key = object.kind === 'table' ? tableKey(object) : object.name;
    if (holder.has(key)) {
      if (exclusive) throw new Refusal('EEXIST', `${object.kind} ${object.name} exists`);
      return;
    }
    const handle = this.#nextHandle++;
    switch (object.kind) {
      case 'table':
        this.#tables.set(key, {
          definition: object,
          handle,
          chains: new Map(),
          sets: new Map(),
          counters: new Map(),
        });
        break;
      case 'chain':
        this.#table(object.table).chains.set(key, { definition: object, handle, rules: [] });
        break;
      case 'set':
      case 'map':
        this.#table(object.table).sets.set(key, { definition: object, handle, elements: new Map() });
        break;
      case 'counter':
        this.#table(object.table).counters.set(key, { comment: object.comment });
        break;
    }
  }

  #delete(object: NftObject): void {
    switch (object.kind) {
      case 'table':
        this.#table(object);
        this.#tables.delete(tableKey(object));
        break;
      case 'chain':
        this.#chain(object).rules.length = 0;
        requireUnused(this.#table(object.table), 'chains', object.name);
        this.#table(object.table).chains.delete(object.name);
        break;
      case 'set':
      case 'map':
        this.#set(object);
        requireUnused(this.#table(object.table), 'sets', object.name);
        this.#table(object.table).sets.delete(object.name);
        break;
      case 'counter':
        requireUnused(this.#table(object.table), 'counters', object.name);
        if (!this.#table(object.table).counters.delete(object.name)) throw missing('counter', object.name);
        break;
      case 'elements': {
        const { elements } = this.#set(object.set);
        for (const element of object.elements) {
          if (!elements.delete(elementKey(element, object.set)))
            throw missing('element', printElement(element, object.set));
        }
        break;
      }
      case 'rule': {
        const { rules } = this.#chain(object.chain);
        rules.splice(ruleIndex(rules, object), 1);
        break;
      }
    }
  }

  #flush(object: Table | Chain | NftSet | NftMap): void {
    if (object.kind === 'table')
      for (const { rules } of this.#table(object).chains.values()) rules.length = 0;
    else if (object.kind === 'chain') this.#chain(object).rules.length = 0;
    else this.#set(object).elements.clear();
  }

  #addElements({ set, elements }: Elements, exclusive: boolean): void {
    const held = this.#set(set).elements;
    for (const element of elements) {
      requireReferences(this.#table(set.table), element.value);
      const key = elementKey(element, set);
      const existing = held.get(key);
      const same = existing !== undefined && JSON.stringify(existing.value) === JSON.stringify(element.value);
      if (existing !== undefined && (exclusive || !same))
        throw new Refusal('EEXIST', `element ${key} exists`);
      if (existing === undefined) held.set(key, element);
    }
  }

  #placeRule(rule: Rule, verb: 'add' | 'insert' | 'replace'): void {
    const { rules } = this.#chain(rule.chain);
    requireReferences(this.#table(rule.chain.table), rule.statements);
    const handle = this.#nextHandle++;
    if (verb === 'replace') rules[ruleIndex(rules, rule)] = { rule, handle };
    else if (rule.handle === undefined) rules.splice(verb === 'add' ? rules.length : 0, 0, { rule, handle });
    else rules.splice(ruleIndex(rules, rule) + (verb === 'add' ? 1 : 0), 0, { rule, handle });
  }

  #table(table: Table): FakeTable {
    const found = this.#tables.get(tableKey(table));
    if (found === undefined) throw missing('table', tableKey(table));
    return found;
  }

  #chain({ table, name }: Chain): { rules: FakeRule[] } {
    const found = this.#table(table).chains.get(name);
    if (found === undefined) throw missing('chain', name);
    return found;
  }

  #set({ kind, table, name }: NftSet | NftMap): { elements: Map<string, Element> } {
    const found = this.#table(table).sets.get(name);
    if (found === undefined) throw missing(kind, name);
    return found;
  }

  #read<T>(request: string, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new NftablesError(request, {
        errno: ERRNO[error.code],
        code: error.code,
        explanation: error.message,
      });
    }
  }

  tables(family?: NftFamily): ListedTable[] {
    return [...this.#tables.values()]
      .filter(({ definition }) => family === undefined || definition.family === family)
      .map(({ definition: { family: of, name, comment }, handle }) => ({
        family: of,
        name,
        handle,
        ...(comment === undefined ? {} : { comment }),
      }));
  }

  chains(table: Table): ListedChain[] {
    const { chains } = this.#read(`list chains of ${table.name}`, () => this.#table(table));
    return [...chains.values()].map(({ definition: { name, base, comment }, handle }) => ({
      name,
      handle,
      ...(base === undefined
        ? {}
        : { type: base.type, priority: base.priority, policy: base.policy ?? 'accept' }),
      ...(comment === undefined ? {} : { comment }),
    }));
  }

  sets(table: Table): ListedSet[] {
    const { sets } = this.#read(`list sets of ${table.name}`, () => this.#table(table));
    return [...sets.values()].map(({ definition: { kind, name, comment }, handle }) => ({
      kind,
      name,
      handle,
      flags: kind === 'map' ? SET_FLAG.MAP : 0,
      keyLength: 0,
      dataLength: 0,
      ...(comment === undefined ? {} : { comment }),
    }));
  }

  elements(set: NftSet | NftMap): Element[] {
    return this.#read(`list ${set.kind} ${set.name}`, () => [...this.#set(set).elements.values()]);
  }

  rules(of: Table | Chain): ListedRule[] {
    const chains = this.#read(`list rules of ${of.name}`, () =>
      of.kind === 'table' ? [...this.#table(of).chains.values()] : [this.#chain(of)],
    );
    return chains.flatMap(({ rules }) =>
      rules.map(({ rule, handle }) => ({
        chain: rule.chain.name,
        handle,
        expressions: rule.statements.map(({ kind }) => kind),
        ...(rule.comment === undefined ? {} : { comment: rule.comment }),
      })),
    );
  }

  generation(): number {
    return this.#generation;
  }

  dump(): string {
    const lines: string[] = [];
    for (const { definition, chains, sets } of this.#tables.values()) {
      lines.push(printCommand({ verb: 'add', object: definition }));
      for (const { definition: set, elements } of sets.values()) {
        lines.push(printCommand({ verb: 'add', object: set }));
        for (const element of elements.values()) lines.push(`  ${printElement(element, set)}`);
      }
      for (const { definition: chain, rules } of chains.values()) {
        lines.push(
          printCommand({ verb: 'add', object: chain }),
          ...rules.map(({ rule }) => `  ${printRule(rule)}`),
        );
      }
    }
    return `${lines.join('\n')}\n`;
  }

  close(): void {
    this.#tables = new Map();
  }
}

function collectionOf(kind: 'chain' | 'set' | 'map' | 'counter'): 'chains' | 'sets' | 'counters' {
  if (kind === 'chain') return 'chains';
  return kind === 'counter' ? 'counters' : 'sets';
}

function tableKey({ family, name }: Table): string {
  return `${family} ${name}`;
}

function elementKey({ key }: Element, set: NftSet | NftMap): string {
  return printFields(key, keyFields(set.key));
}

function missing(kind: string, name: string): Refusal {
  return new Refusal('ENOENT', `no ${kind} ${name}`);
}

function ruleIndex(rules: readonly FakeRule[], { handle }: Rule): number {
  const index = rules.findIndex((rule) => rule.handle === handle);
  if (index === -1) throw missing('rule with handle', String(handle));
  return index;
}

function copyTables(tables: ReadonlyMap<string, FakeTable>): Map<string, FakeTable> {
  const copy = new Map<string, FakeTable>();
  for (const [key, table] of tables) {
    copy.set(key, {
      ...table,
      chains: new Map(
        [...table.chains].map(([name, chain]) => [name, { ...chain, rules: [...chain.rules] }]),
      ),
      sets: new Map(
        [...table.sets].map(([name, set]) => [name, { ...set, elements: new Map(set.elements) }]),
      ),
      counters: new Map(table.counters),
    });
  }
  return copy;
}

/** Every chain, set and counter that these statements or verdicts name must exist. */
function requireReferences(table: FakeTable, values: unknown): void {
  const { chains, sets, counters } = references(values);
  for (const name of chains) if (!table.chains.has(name)) throw missing('chain', name);
  for (const name of sets) if (!table.sets.has(name)) throw missing('set', name);
  for (const name of counters) if (!table.counters.has(name)) throw missing('counter', name);
}

/** What rules and elements name cannot be deleted. */
function requireUnused(table: FakeTable, list: keyof References, name: string): void {
  const values = [
    ...[...table.chains.values()].flatMap(({ rules }) => rules.map(({ rule }) => rule.statements)),
    ...[...table.sets.values()].flatMap(({ elements }) => [...elements.values()].map(({ value }) => value)),
  ];
  if (values.some((value) => references(value)[list].includes(name)))
    throw new Refusal('EBUSY', `${name} is in use`);
}
