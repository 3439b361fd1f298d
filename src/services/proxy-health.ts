/** The proxy's own health over HTTP: what load balancers ask every node for Services of the policy Cluster. */
import { type Server, createServer } from 'node:http';
import { once } from 'node:events';
import { type Netns, withNetns } from '../kernel/netns.ts';
import type { PlanFollower } from './plan-follower.ts';

export interface ProxyHealthOptions {
  /** Where it listens without an address; the calling thread's unless told. */
  readonly netns?: Netns;
  /** Whether the node is to get traffic at all: not while it is being deleted or drained by its autoscaler. */
  readonly isEligible?: () => boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface ProxyHealth extends PlanFollower {
  /**
   * Answers `/healthz` (this node may get traffic) and `/livez` (the proxy works); other paths get 404. Without an
   * address on all of them.
   */
  listen(at: { readonly address?: string; readonly port: number }): Promise<Server>;
}

/** The bodies and codes of kube-proxy's port 10256. */
export function createProxyHealth(options: ProxyHealthOptions = {}): ProxyHealth {
  const { isEligible = () => true, now = Date.now, netns } = options;
  let lastUpdated = now();
  let healthy = true;
  const succeeded = (): void => {
    lastUpdated = now();
    healthy = true;
  };
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    if (path !== '/healthz' && path !== '/livez')
      return void response.writeHead(404).end('404 page not found\n');
    const nodeEligible = isEligible();
    const times = {
      // While all is well there is nothing older than now to be told of.
      lastUpdated: new Date(healthy ? now() : lastUpdated).toISOString(),
      currentTime: new Date(now()).toISOString(),
    };
    const isHealthz = path === '/healthz';
    response.writeHead(healthy && (nodeEligible || !isHealthz) ? 200 : 503, {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(JSON.stringify(isHealthz ? { ...times, nodeEligible } : times));
  });
  server.maxConnections = MAX_CONNECTIONS;
  return {
    planned: succeeded,
    changed: succeeded,
    failed() {
      healthy = false;
    },
    stop() {
      server.close();
      server.closeAllConnections();
    },
    async listen({ address, port }) {
      const listening = once(server, 'listening');
      // With an address the socket is made later, on a thread that has left the namespace by then.
      if (address !== undefined) server.listen(port, address);
      else if (netns === undefined) server.listen(port);
      else withNetns(netns, () => server.listen(port));
      await listening;
      return server;
    },
  };
}

const MAX_CONNECTIONS = 64;
