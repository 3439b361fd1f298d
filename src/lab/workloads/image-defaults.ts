/** What an image brings by itself when the container says neither command nor ports. */
export interface ImageDefaults {
  /** The program that `args` are given to. */
  readonly entrypoint?: readonly string[];
  /** What runs when the container has no args either; it is kept only with a terminal or standard input. */
  readonly shell?: readonly string[];
  /** TCP ports. */
  readonly ports?: readonly number[];
}

const shell: ImageDefaults = { shell: ['sh'] };

/** Images of whose contents everybody is sure, by their repository's last name. */
const DEFAULTS: Readonly<Record<string, ImageDefaults>> = {
  alpine: shell,
  busybox: shell,
  cassandra: { ports: [7000, 7001, 7199, 9042, 9160] },
  curl: { entrypoint: ['curl'] },
  debian: { shell: ['bash'] },
  dnsutils: { shell: ['sh'] },
  echoserver: { ports: [8080] },
  elasticsearch: { ports: [9200, 9300] },
  etcd: { ports: [2379, 2380] },
  grafana: { ports: [3000] },
  haproxy: { ports: [80] },
  httpd: { ports: [80] },
  'http-echo': { ports: [5678] },
  'kubernetes-bootcamp': { ports: [8080] },
  mariadb: { ports: [3306] },
  memcached: { ports: [11_211] },
  mongo: { ports: [27_017] },
  mysql: { ports: [3306, 33_060] },
  nats: { ports: [4222, 6222, 8222] },
  netshoot: { shell: ['bash'] },
  nginx: { ports: [80] },
  'nginx-unprivileged': { ports: [8080] },
  pause: { ports: [] },
  postgres: { ports: [5432] },
  prometheus: { ports: [9090] },
  rabbitmq: { ports: [4369, 5671, 5672, 25_672] },
  redis: { ports: [6379] },
  tomcat: { ports: [8080] },
  traefik: { ports: [80] },
  ubuntu: { shell: ['bash'] },
  whoami: { ports: [80] },
};

/** `docker.io/library/nginx:1.27@sha256:…` → what `nginx` is known for. */
export function imageDefaults(image: string): ImageDefaults | undefined {
  const name = image.split('@', 1)[0]?.split('/').at(-1)?.split(':', 1)[0] ?? '';
  return Object.hasOwn(DEFAULTS, name) ? DEFAULTS[name] : undefined;
}
