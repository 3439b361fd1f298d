import { type Iptables, restoreScript } from '../../../kernel/iptables/iptables.ts';
import type { IpFamily } from '../../../model/ip.ts';
import type { NodeFacts, PlanChange, PlannedPort, ServicePlan } from '../../plan.ts';
import type { ServiceBackend } from '../backend.ts';
import { FamilyRules } from './family-rules.ts';

const FAMILIES: readonly IpFamily[] = [4, 6];

/**
 * Services in iptables, in kube-proxy's chains. IPv6 has tables once a Service has an IPv6 address. Only chains that
 * change are written: the packet counters of the others go on.
 */
export function createIptablesBackend(options: { readonly iptables: Iptables }): ServiceBackend {
  return new IptablesBackend(options.iptables);
}

/** What iptables-restore is given for a whole plan over empty tables: to be read, and to be timed. */
export function iptablesScript({ node, ports }: ServicePlan, family: IpFamily): string {
  const rules = new FamilyRules(family, { node, tables: new Map() });
  const set = [...ports.values()].filter((port) => port.family === family);
  return restoreScript(rules.change({ set, removed: [] }, { all: true }));
}

class IptablesBackend implements ServiceBackend {
  readonly #iptables: Iptables;
  #node: NodeFacts | undefined;
  #families = new Map<IpFamily, FamilyRules>();
  #generation: number | undefined;

  constructor(iptables: Iptables) {
    this.#iptables = iptables;
  }

  sync(plan: ServicePlan): void {
    this.#node = plan.node;
    this.#families = new Map();
    const ports = [...plan.ports.values()];
    for (const family of FAMILIES) {
      const rules = this.#read(family, plan.node);
      const set = ports.filter((port) => port.family === family);
      if (set.length > 0 || family === 4) {
        this.#iptables.edit(family, rules.change({ set, removed: [] }, { all: true }));
        this.#families.set(family, rules);
      } else this.#remove(family, rules);
    }
    this.#generation = this.#iptables.generation();
  }

  apply({ set, removed, before, node }: PlanChange): void {
    this.#node = node ?? this.#node;
    for (const family of FAMILIES) {
      const of = (port: PlannedPort): boolean => port.family === family;
      const change = {
        set: set.filter(of),
        removed: removed.filter(of),
        before: [...before.values()].filter(of),
        ...(node && { node }),
      };
      if (change.set.length + change.removed.length === 0 && node === undefined) continue;
      let rules = this.#families.get(family);
      const isNew = rules === undefined;
      if (isNew && change.set.length === 0) continue;
      if (this.#node === undefined) throw new Error('sync() comes before apply()');
      rules ??= this.#read(family, this.#node);
      this.#families.set(family, rules);
      this.#iptables.edit(family, rules.change(change, { all: isNew }));
    }
    this.#generation = this.#iptables.generation();
  }

  isIntact(): boolean {
    const generation = this.#iptables.generation();
    if (generation !== undefined && generation === this.#generation) return true;
    for (const [family, rules] of this.#families) {
      if (!rules.matches(this.#iptables.tables(family))) return false;
    }
    this.#generation = generation;
    return true;
  }

  cleanup(): void {
    this.#families = new Map();
    for (const family of FAMILIES) this.#remove(family, this.#read(family, NOBODY));
  }

  #read(family: IpFamily, node: NodeFacts): FamilyRules {
    return new FamilyRules(family, { node, tables: this.#iptables.tables(family) });
  }

  #remove(family: IpFamily, rules: FamilyRules): void {
    if (!rules.holdsAnything) return;
    this.#iptables.edit(family, rules.removal());
    this.#iptables.removeEmptyTables(family);
  }
}

const NOBODY: NodeFacts = { name: '', addresses: [], podCidrs: [], nodePortAddresses: [] };
