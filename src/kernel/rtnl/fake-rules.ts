import { PROTOCOL, TABLE, encodePrefix } from './names.ts';
import type * as rtnl from './rtnl.ts';

/** The rule the kernel makes of a request. */
export function ruleOf(spec: rtnl.RuleSpec): rtnl.Rule {
  const prefix = spec.from ?? spec.to;
  const action = spec.action ?? 'lookup';
  return {
    family: spec.family ?? (prefix === undefined ? 4 : encodePrefix(prefix).family),
    priority: spec.priority,
    from: spec.from,
    to: spec.to,
    mark: spec.mark,
    mask: spec.mask ?? (spec.mark === undefined ? undefined : 0xffff_ffff),
    inputInterface: spec.inputInterface,
    outputInterface: spec.outputInterface,
    table: spec.table ?? (action === 'lookup' ? TABLE.main : 0),
    action,
    protocol: spec.protocol ?? PROTOCOL.static,
  };
}

export function isSameRule(a: rtnl.Rule, b: rtnl.Rule): boolean {
  return (
    a.family === b.family &&
    a.priority === b.priority &&
    a.from === b.from &&
    a.to === b.to &&
    a.mark === b.mark &&
    a.table === b.table
  );
}
