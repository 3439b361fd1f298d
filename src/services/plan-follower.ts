import type { PlanChange, ServicePlan } from './plan.ts';

/** Told of every plan once it is in the kernel. Must not throw, nor take long. */
export interface PlanFollower {
  /** At the start, and whenever the whole plan was carried out anew. */
  planned(plan: ServicePlan): void;
  /** `plan` with this change in it was carried out. */
  changed(change: PlanChange, plan: ServicePlan): void;
  /** The kernel does not hold the plan: it is tried again. */
  failed?(): void;
  /** Nothing more follows. */
  stop?(): void;
}
