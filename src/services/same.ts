import type { EndpointChoice, EndpointSource, Ignored, NodeFacts, PlannedPort } from './plan.ts';

/** Whether two states of a port are the same in every part that can be printed. */
export function samePort(a: PlannedPort, b: PlannedPort): boolean {
  return (
    a.service === b.service &&
    a.kind === b.kind &&
    a.portName === b.portName &&
    a.field === b.field &&
    a.addressField === b.addressField &&
    a.affinitySeconds === b.affinitySeconds &&
    sameTexts(a.masquerade, b.masquerade) &&
    (a.sourceRanges === undefined) === (b.sourceRanges === undefined) &&
    sameTexts(a.sourceRanges ?? [], b.sourceRanges ?? []) &&
    sameChoice(a.inside, b.inside) &&
    (a.outside === a.inside) === (b.outside === b.inside) &&
    (a.outside === a.inside || sameChoice(a.outside, b.outside))
  );
}

function sameChoice(a: EndpointChoice, b: EndpointChoice): boolean {
  return (
    a.chosenBy === b.chosenBy &&
    a.scope === b.scope &&
    a.scopeField === b.scopeField &&
    a.whenNone === b.whenNone &&
    sameList(a.endpoints, b.endpoints, (x, y) => {
      return x.address === y.address && x.port === y.port && sameSource(x.source, y.source);
    }) &&
    sameList(a.skipped, b.skipped, (x, y) => {
      const same = x.address === y.address && x.reason === y.reason && x.servesOn === y.servesOn;
      return same && sameSource(x.source, y.source);
    })
  );
}

function sameSource(a: EndpointSource, b: EndpointSource): boolean {
  return a.slice === b.slice && a.field === b.field && a.target === b.target && a.nodeName === b.nodeName;
}

export function sameIgnored(a: readonly Ignored[], b: readonly Ignored[]): boolean {
  return sameList(
    a,
    b,
    (x, y) =>
      x.object.kind === y.object.kind &&
      x.object.key === y.object.key &&
      x.field === y.field &&
      x.reason === y.reason &&
      x.refused === y.refused,
  );
}

export function sameFacts(a: NodeFacts, b: NodeFacts): boolean {
  return (
    a.name === b.name &&
    a.zone === b.zone &&
    sameTexts(a.addresses, b.addresses) &&
    sameTexts(a.otherNodes ?? [], b.otherNodes ?? []) &&
    sameTexts(a.podCidrs, b.podCidrs) &&
    sameTexts(a.nodePortAddresses, b.nodePortAddresses)
  );
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return sameList(a, b, (x, y) => x === y);
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((x, index) => same(x, b[index] as T));
}
