/** The objects every cluster starts with. Controllers and the API server add what follows from them. */
import { configMapData, configMapRef } from '../agent/config.ts';
import { isAlreadyExists, type Client } from '../cluster/client.ts';
import { configMaps, namespaces, nodes, services, type Resource } from '../cluster/resources.ts';
import { defaultCorefile } from '../dns/corefile/default.ts';
import { corefileRef } from '../dns/corefile/follow.ts';
import { formatCidr, parseCidr, subnet } from '../model/ip.ts';
import type { ConfigMap, KubeObject, Namespace, Node, Service } from '../model/objects.ts';
import { nodeName } from './links/addresses.ts';
import type { LabOptions } from './options.ts';

async function ensure<T extends KubeObject>(client: Client, resource: Resource<T>, object: T): Promise<void> {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** `clusterIPs`: one of each IP family of the cluster. */
function kubeDns(clusterIPs: readonly string[]): Service {
  return {
    metadata: { namespace: 'kube-system', name: 'kube-dns', labels: { 'k8s-app': 'kube-dns' } },
    spec: {
      selector: { 'k8s-app': 'kube-dns' },
      clusterIPs: [...clusterIPs],
      ...(clusterIPs.length > 1 && { ipFamilyPolicy: 'RequireDualStack' }),
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
      ],
    },
  };
}

/** Nodes are there, in order and with their CIDRs, before their kubelets are: the first to start gets no more pods. */
function node(name: string, podCIDRs: string[]): Node {
  return { metadata: { name }, spec: { podCIDRs } };
}

export async function bootstrap(client: Client, options: LabOptions): Promise<void> {
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    await ensure<Namespace>(client, namespaces, { metadata: { name } });
  }
  await ensure<ConfigMap>(client, configMaps, { metadata: configMapRef, data: configMapData(options) });
  await ensure<ConfigMap>(client, configMaps, {
    metadata: corefileRef,
    data: { Corefile: defaultCorefile({ clusterDomain: options.clusterDomain, podRecords: 'insecure' }) },
  });
  await ensure<Service>(client, services, kubeDns(options.clusterDns));
  const cidrs = options.clusterCidrs.map(parseCidr);
  for (let index = 0; index < options.nodes; index += 1) {
    const podCidrs = cidrs.map((cidr, family) =>
      formatCidr(subnet(cidr, options.nodeCidrPrefixLengths[family] ?? cidr.prefixLength, index)),
    );
    await ensure<Node>(client, nodes, node(nodeName(index), podCidrs));
  }
}
