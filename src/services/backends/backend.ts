import type { PlanChange, ServicePlan } from '../plan.ts';

/** What carries out a plan on one node. Every backend passes the same suite. */
export interface ServiceBackend {
  /** Makes the node as the plan says, whatever it was before. */
  sync(plan: ServicePlan): void;
  /** Makes the node as the last plan with this change says. When it throws, only `sync` helps. */
  apply(change: PlanChange): void;
  /** Whether the node still is as it was left. Cheap when nothing changed. */
  isIntact(): boolean;
  /** Removes everything the backend made. Established connections live on. */
  cleanup(): void;
  /**
   * For a backend whose connections need it: takes in no new ones and removes what none needs any more, while another
   * carries out the plan. True once nothing is left; until then it is called again.
   */
  retire?(): boolean;
}
