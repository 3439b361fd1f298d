import { PodnetError } from '../../model/errors.ts';
import type { IpFamily } from '../../model/ip.ts';
import { type Iptables, type IptablesTable, type TableEdits, restoreScript } from './iptables.ts';
import type { RuleText, TableText } from './rule-text.ts';

const BUILT_IN: Readonly<Record<IptablesTable, readonly string[]>> = {
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};
const TARGETS = new Set(['ACCEPT', 'DROP', 'RETURN', 'REJECT', 'MARK', 'DNAT', 'MASQUERADE']);

export interface FakeIptables extends Iptables {
  /** Every script that was carried out, the oldest first. */
  readonly scripts: readonly string[];
}

type Chains = Map<string, RuleText[]>;

/** Tables in memory, which refuse what the kernel refuses: jumps to nowhere, and deleting what is jumped to. */
export function createFakeIptables(): FakeIptables {
  const families: Record<IpFamily, Map<IptablesTable, Chains>> = { 4: new Map(), 6: new Map() };
  const scripts: string[] = [];
  let generation = 1;

  function editTable(tables: Map<IptablesTable, Chains>, edits: TableEdits): void {
    const { table, chains, deleted, jumps } = edits;
    const before = tables.get(table) ?? new Map(BUILT_IN[table].map((name) => [name, []]));
    const after: Chains = new Map([...before].map(([name, rules]) => [name, [...rules]]));
    for (const name of [...chains.keys(), ...deleted]) after.set(name, []);
    for (const { verb, chain, rule } of jumps) {
      const rules = after.get(chain);
      const index = rules?.indexOf(rule) ?? -1;
      if (rules === undefined || (verb === 'delete' && index < 0)) refuse(chain, rule);
      if (verb === 'insert') rules.unshift(rule);
      else rules.splice(index, 1);
    }
    for (const [name, rules] of chains) after.set(name, [...rules]);
    for (const name of deleted) after.delete(name);
    for (const [name, rules] of after) {
      for (const rule of rules) {
        const unquoted = rule.replaceAll(/"(?:[^"\\]|\\.)*"/gu, '""');
        const target = /-j (\S+)/u.exec(unquoted)?.[1] ?? '';
        if (!TARGETS.has(target) && !after.has(target)) refuse(name, rule);
      }
    }
    tables.set(table, after);
  }

  return {
    scripts,
    tables: (family) => structuredClone<Map<string, TableText>>(families[family]),
    edit(family, edits) {
      const script = restoreScript(edits);
      if (script === '') return;
      for (const each of edits) {
        if (each.chains.size + each.deleted.length + each.jumps.length > 0) editTable(families[family], each);
      }
      scripts.push(script);
      generation += 1;
    },
    removeEmptyTables(family) {
      for (const [name, chains] of families[family]) {
        const isEmpty = [...chains].every(
          ([chain, rules]) => BUILT_IN[name].includes(chain) && rules.length === 0,
        );
        if (isEmpty) families[family].delete(name);
      }
      generation += 1;
    },
    generation: () => generation,
    close: () => undefined,
  };
}

function refuse(chain: string, rule: RuleText): never {
  throw new PodnetError(`iptables-restore refused "-A ${chain} ${rule}"`, {
    code: 'iptables-refused',
    where: chain,
  });
}
