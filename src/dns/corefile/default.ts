import type { KubernetesPlan } from './plan.ts';

export interface DefaultOptions {
  readonly clusterDomain: string;
  readonly podRecords: KubernetesPlan['pods'];
}

/** What is served as long as the cluster has no Corefile of its own: as kubeadm sets up CoreDNS, with search lists. */
export function defaultCorefile({ clusterDomain, podRecords }: DefaultOptions): string {
  return `.:53 {
    errors
    ready
    health
    prometheus :9153
    autopath @kubernetes
    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
        pods ${podRecords}
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
    forward . /etc/resolv.conf {
        policy sequential
        max_concurrent 1000
    }
    cache {
        prefetch 1 1m 10%
        serve_stale 1h verify
    }
    loop
    loadbalance
}
`;
}
