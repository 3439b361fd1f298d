import type { Client } from '../cluster/client.ts';
import { createInformer } from '../cluster/informer.ts';
import { pods } from '../cluster/resources.ts';
import { podAddresses } from '../model/addresses.ts';
import type { Pod } from '../model/objects.ts';

/** The pods of this node, who alone ask its DNS: whose search list a question was made by, and who asked it. */
export interface LocalPods {
  /** The namespace of the pod with an address. */
  namespaceOf(address: string): string | undefined;
  /** `namespace/name` of it. */
  nameOf(address: string): string | undefined;
  run(signal: AbortSignal): Promise<void>;
}

export function createLocalPods(
  client: Client,
  { nodeName, onError }: { readonly nodeName: string; readonly onError: (error: unknown) => void },
): LocalPods {
  /** By address: a pod's key. */
  const keys = new Map<string, string>();
  const informer = createInformer(client, pods, {
    fieldSelector: `spec.nodeName=${nodeName}`,
    onError,
    transform: lean,
  });
  /** What each pod has in `keys`. */
  const addressesOf = new Map<string, readonly string[]>();
  informer.onChange(({ key, object, type }) => {
    for (const address of addressesOf.get(key) ?? []) if (keys.get(address) === key) keys.delete(address);
    const isThere = type !== 'deleted' && !isOver(object) && object.spec?.hostNetwork !== true;
    const addresses = isThere ? podAddresses(object) : [];
    for (const address of addresses) keys.set(address, key);
    if (addresses.length > 0) addressesOf.set(key, addresses);
    else addressesOf.delete(key);
  });
  return {
    nameOf: (address) => keys.get(address),
    namespaceOf(address) {
      const key = keys.get(address);
      return key?.slice(0, key.indexOf('/'));
    },
    run: (signal) => informer.run(signal),
  };
}

function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** What is read here, and nothing else. */
function lean({ metadata, spec, status }: Pod): Pod {
  const { name, namespace, resourceVersion } = metadata ?? {};
  const { phase, podIP, podIPs } = status ?? {};
  return {
    metadata: {
      ...(name !== undefined && { name }),
      ...(namespace !== undefined && { namespace }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
    spec: { containers: [], ...(spec?.hostNetwork === true && { hostNetwork: true }) },
    status: { ...(phase && { phase }), ...(podIP && { podIP }), ...(podIPs && { podIPs }) },
  };
}
