import { compileApex, compileService } from '../dns/zone/compile.ts';
import { type PlannedRecord, printData, printSource, type ZoneOptions } from '../dns/zone/plan.ts';
import { typeName } from '../dns/wire/constants.ts';
import { recordType } from '../dns/wire/message.ts';
import { nameKey } from '../dns/wire/name.ts';
import type { DnsReplyRecord } from '../lab/dns-ask.ts';
import { objectKey } from '../model/objects.ts';
import type { TraceView } from '../trace/view.ts';

/** Says which field of which object an answer's record comes from. */
export interface Sources {
  of(record: DnsReplyRecord): { readonly source?: string };
}

/** Compiles the zone's records of the objects as they are now. */
export function createSources(view: TraceView): Sources {
  const options: ZoneOptions = { clusterDomain: view.clusterDomain, addresses: view.clusterDns };
  const slices = Map.groupBy(
    view.endpointSlices,
    ({ metadata }) => `${metadata?.namespace}/${metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`,
  );
  const records = new Map<string, PlannedRecord>();
  const keep = (all: readonly PlannedRecord[]): void => {
    for (const record of all)
      records.set(identity(record.name, typeName(recordType(record.data)), printData(record.data)), record);
  };
  keep(compileApex(options).records);
  for (const service of view.services)
    keep(compileService(service, slices.get(objectKey(service)) ?? [], options).records);
  const pods = nameKey(`pod.${view.clusterDomain}`);
  const services = nameKey(`svc.${view.clusterDomain}`);
  return {
    of({ name, type, data }) {
      const record = records.get(identity(name, type, data));
      if (record !== undefined) return { source: printSource(record.source) };
      const key = nameKey(name);
      if (key.endsWith(pods)) return { source: 'the address that the name itself says' };
      if (key.endsWith(services) && type === 'CNAME')
        return { source: 'the search list of the pod, walked by its node (autopath)' };
      return {};
    },
  };
}

function identity(name: string, type: string, data: string): string {
  return `${nameKey(name)} ${type} ${data}`;
}
