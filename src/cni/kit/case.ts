/** One requirement of the specification, and how it is tried. */
import type { CniVersion } from '../spec/versions.ts';
import type { Bench } from './bench.ts';

/** What is known of the plugin before the cases run. */
export interface Facts {
  /** All it says it speaks. */
  readonly versions: readonly string[];
  /** Those of them the kit knows, oldest first. */
  readonly common: readonly CniVersion[];
  /** Answered by ADD: an interface inside the container, with the name that was asked for. */
  readonly makesInterface: boolean;
  readonly hasAddresses: boolean;
  readonly hasRoutes: boolean;
  /** ADD left rules in nftables. */
  readonly hasRules: boolean;
  /** There is a plugin before it. */
  readonly isChained: boolean;
}

export interface KitCase {
  /** In kebab-case. */
  readonly name: string;
  readonly title: string;
  /** Why the case says nothing about this plugin; undefined when it does. */
  readonly notFor?: (facts: Facts) => string | undefined;
  /** Resolves with a remark for the report. @throws Violation */
  readonly run: (bench: Bench, facts: Facts) => Promise<string | void>;
}

/** For cases that need a version of the specification. */
export const since =
  (version: CniVersion) =>
  ({ common }: Facts): string | undefined =>
    common.some((one) => one >= version) ? undefined : `it speaks no ${version}`;

/** The first reason of several. */
export const firstOf =
  (...reasons: readonly ((facts: Facts) => string | undefined)[]) =>
  (facts: Facts): string | undefined => {
    for (const reason of reasons) {
      const found = reason(facts);
      if (found !== undefined) return found;
    }
    return undefined;
  };
