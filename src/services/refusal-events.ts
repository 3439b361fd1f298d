import type { EventText } from '../cluster/events.ts';
import type { Ignored, ServicePlan } from './plan.ts';
import type { PlanFollower } from './plan-follower.ts';

export interface RefusalEventsOptions {
  readonly nodeName: string;
  /** Writes the Event on the object. Called once for each refusal, and again when it comes back after it had gone. */
  readonly record: (object: Ignored['object'], text: EventText) => void;
}

/** Tells whoever wrote a Service or EndpointSlice what this node refuses to carry out, once. */
export function createRefusalEvents({ nodeName, record }: RefusalEventsOptions): PlanFollower {
  /** By Service: what was told. */
  const told = new Map<string, ReadonlySet<string>>();

  function settle(service: string, plan: ServicePlan): void {
    const refused = (plan.ignored.get(service) ?? []).filter((each) => each.refused);
    const before = told.get(service);
    if (refused.length === 0) {
      if (before !== undefined) told.delete(service);
      return;
    }
    const now = new Set<string>();
    for (const { object, field, reason } of refused) {
      const message = `${field} ${reason}: node ${nodeName} leaves it out`;
      const id = `${object.kind} ${object.key} ${message}`;
      if (!now.has(id) && before?.has(id) !== true)
        record(object, { type: 'Warning', reason: 'NotCarriedOut', message });
      now.add(id);
    }
    told.set(service, now);
  }

  return {
    planned(plan) {
      for (const service of new Set([...told.keys(), ...plan.ignored.keys()])) settle(service, plan);
    },
    changed({ services }, plan) {
      for (const service of services) settle(service, plan);
    },
  };
}
