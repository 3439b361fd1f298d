/** What load balancers ask nodes: `healthCheckNodePort` of Services whose `externalTrafficPolicy` is Local. */
import { type Server, createServer } from 'node:http';
import { type Netns, withNetns } from '../kernel/netns.ts';
import { errorMessage } from '../model/errors.ts';
import type { PlannedHealth, ServicePlan } from './plan.ts';
import type { PlanFollower } from './plan-follower.ts';

export interface HealthCheckServerOptions {
  /** Where it listens, on every address; the calling thread's unless told. */
  readonly netns?: Netns;
  /** Told when a Service's port cannot be listened on; `service` is `namespace/name`. */
  readonly onRefused?: (refusal: { service: string; port: number; reason: string }) => void;
}

/** The answer to a load balancer, as kube-proxy words it. */
export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** 200 while this node has an endpoint of the Service and its proxy works. `service` is `namespace/name`. */
export function answerHealthCheck(
  service: string,
  { localEndpoints }: PlannedHealth,
  serviceProxyHealthy: boolean,
): HealthAnswer {
  const [namespace, name] = service.split('/');
  return {
    status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
    },
    body: JSON.stringify(
      { service: { namespace, name }, localEndpoints, serviceProxyHealthy },
      undefined,
      '\t',
    ),
  };
}

interface Listener {
  readonly port: number;
  readonly server: Server;
  health: PlannedHealth;
}

/** Answers on the health check node ports of the plan. A port that is taken is tried again with every full plan. */
export function createHealthCheckServer(options: HealthCheckServerOptions = {}): PlanFollower {
  const { netns, onRefused = () => undefined } = options;
  const listeners = new Map<string, Listener>();
  let healthy = true;

  function open(service: string, health: PlannedHealth): void {
    const server = createServer((_request, response) => {
      const current = listeners.get(service)?.health ?? { port: health.port, localEndpoints: 0 };
      const { status, headers, body } = answerHealthCheck(service, current, healthy);
      response.writeHead(status, headers).end(body);
    });
    server.keepAliveTimeout = 5000;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('error', (error) => {
      onRefused({ service, port: health.port, reason: errorMessage(error) });
      if (listeners.get(service)?.server === server) listeners.delete(service);
    });
    listeners.set(service, { port: health.port, server, health });
    const listen = (): unknown => server.listen(health.port).unref();
    if (netns === undefined) listen();
    else withNetns(netns, listen);
  }

  function close(service: string): void {
    const listener = listeners.get(service);
    if (listener === undefined) return;
    listeners.delete(service);
    listener.server.close();
    listener.server.closeAllConnections();
  }

  function settle(service: string, plan: ServicePlan): void {
    const health = plan.health.get(service);
    const listener = listeners.get(service);
    if (listener !== undefined && listener.port === health?.port) listener.health = health;
    else {
      close(service);
      if (health !== undefined) open(service, health);
    }
  }

  return {
    planned(plan) {
      healthy = true;
      for (const service of new Set([...listeners.keys(), ...plan.health.keys()])) settle(service, plan);
    },
    changed({ services }, plan) {
      healthy = true;
      for (const service of services) settle(service, plan);
    },
    failed() {
      healthy = false;
    },
    stop() {
      for (const service of listeners.keys()) close(service);
    },
  };
}

const MAX_CONNECTIONS = 256;
