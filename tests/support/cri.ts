/**
 * What a kubelet says to a container runtime: the messages of the Container Runtime Interface that tests need
 * (runtime.v1 of k8s.io/cri-api; numbers and types are the interface's, fields that no test uses are left out).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = `
syntax = "proto3";
package runtime.v1;

service RuntimeService {
  rpc Status(StatusRequest) returns (StatusResponse) {}
  rpc RunPodSandbox(RunPodSandboxRequest) returns (RunPodSandboxResponse) {}
  rpc PodSandboxStatus(PodSandboxStatusRequest) returns (PodSandboxStatusResponse) {}
  rpc StopPodSandbox(SandboxId) returns (Empty) {}
  rpc RemovePodSandbox(SandboxId) returns (Empty) {}
  rpc CreateContainer(CreateContainerRequest) returns (ContainerId) {}
  rpc StartContainer(ContainerId) returns (Empty) {}
  rpc ExecSync(ExecSyncRequest) returns (ExecSyncResponse) {}
}

message Empty {}
message SandboxId { string pod_sandbox_id = 1; }
message ContainerId { string container_id = 1; }

message StatusRequest { bool verbose = 1; }
message StatusResponse { RuntimeStatus status = 1; }
message RuntimeStatus { repeated RuntimeCondition conditions = 1; }
message RuntimeCondition { string type = 1; bool status = 2; string reason = 3; string message = 4; }

message RunPodSandboxRequest { PodSandboxConfig config = 1; }
message RunPodSandboxResponse { string pod_sandbox_id = 1; }
message PodSandboxConfig {
  PodSandboxMetadata metadata = 1;
  string hostname = 2;
  string log_directory = 3;
  DNSConfig dns_config = 4;
  repeated PortMapping port_mappings = 5;
  map<string, string> annotations = 7;
  LinuxPodSandboxConfig linux = 8;
}
message PodSandboxMetadata { string name = 1; string uid = 2; string namespace = 3; uint32 attempt = 4; }
message DNSConfig { repeated string servers = 1; repeated string searches = 2; repeated string options = 3; }
message PortMapping { Protocol protocol = 1; int32 container_port = 2; int32 host_port = 3; string host_ip = 4; }
enum Protocol { TCP = 0; UDP = 1; SCTP = 2; }
message LinuxPodSandboxConfig { string cgroup_parent = 1; }

message PodSandboxStatusRequest { string pod_sandbox_id = 1; }
message PodSandboxStatusResponse { PodSandboxStatus status = 1; }
message PodSandboxStatus { string id = 1; PodSandboxNetworkStatus network = 5; }
message PodSandboxNetworkStatus { string ip = 1; repeated PodIP additional_ips = 2; }
message PodIP { string ip = 1; }

message CreateContainerRequest {
  string pod_sandbox_id = 1;
  ContainerConfig config = 2;
  PodSandboxConfig sandbox_config = 3;
}
message ContainerConfig {
  ContainerMetadata metadata = 1;
  ImageSpec image = 2;
  repeated string command = 3;
  repeated string args = 4;
}
message ContainerMetadata { string name = 1; uint32 attempt = 2; }
message ImageSpec { string image = 1; }

message ExecSyncRequest { string container_id = 1; repeated string cmd = 2; int64 timeout = 3; }
message ExecSyncResponse { bytes stdout = 1; bytes stderr = 2; int32 exit_code = 3; }
`;

/** The messages as JavaScript has them; proto-loader writes field names in camel case and leaves none out. */
export interface SandboxConfig {
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string };
  readonly hostname?: string;
  readonly portMappings?: readonly {
    readonly protocol?: 'TCP' | 'UDP';
    readonly containerPort: number;
    readonly hostPort: number;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Cri {
  /** Of each condition (`RuntimeReady`, `NetworkReady`) the message when it is false, '' when it is true. */
  conditions(): Promise<ReadonlyMap<string, string>>;
  /** Starts a sandbox and returns its id. */
  runSandbox(config: SandboxConfig): Promise<string>;
  /** The sandbox's addresses, in the order of the CNI result. */
  addresses(sandboxId: string): Promise<readonly string[]>;
  /** Starts a container and returns its id. */
  runContainer(
    sandboxId: string,
    config: SandboxConfig,
    container: { readonly name: string; readonly image: string; readonly command: readonly string[] },
  ): Promise<string>;
  exec(
    containerId: string,
    command: readonly string[],
  ): Promise<{ code: number; stdout: string; stderr: string }>;
  stopSandbox(sandboxId: string): Promise<void>;
  removeSandbox(sandboxId: string): Promise<void>;
  close(): void;
}

/** The first calls load layers of an image; all others take well under a second. */
const CALL_LIMIT_MS = 30_000;

interface Status {
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: boolean;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

interface SandboxStatus {
  readonly status: {
    readonly network: { readonly ip: string; readonly additionalIps: readonly { readonly ip: string }[] };
  };
}

/** Connects to a runtime's unix socket. The messages' text is written into `directory`: proto-loader reads files. */
export function connectCri(socket: string, directory: string): Cri {
  const file = join(directory, 'cri.proto');
  writeFileSync(file, PROTO);
  const service = loadSync(file, { defaults: true, enums: String, longs: Number })[
    'runtime.v1.RuntimeService'
  ];
  if (service === undefined || 'format' in service) throw new Error(`${file} defines no RuntimeService`);
  const client = new Client(`unix:${socket}`, credentials.createInsecure());

  const call = <R extends object>(name: string, request: object): Promise<R> =>
    new Promise((done, fail) => {
      const method = service[name];
      if (method === undefined) throw new Error(`${name} is no method of RuntimeService`);
      const { path, requestSerialize, responseDeserialize } = method;
      client.makeUnaryRequest<object, object>(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        { deadline: Date.now() + CALL_LIMIT_MS },
        (error, response) => {
          if (error) fail(new Error(`${name}: ${error.details}`, { cause: error }));
          else done((response ?? {}) as R);
        },
      );
    });

  return {
    async conditions() {
      const { status } = await call<Status>('Status', {});
      return new Map(
        status.conditions.map(({ type, status: isMet, reason, message }) => [
          type,
          isMet ? '' : `${reason}: ${message}`,
        ]),
      );
    },
    async runSandbox(config) {
      const { podSandboxId } = await call<{ podSandboxId: string }>('RunPodSandbox', { config });
      return podSandboxId;
    },
    async addresses(podSandboxId) {
      const { status } = await call<SandboxStatus>('PodSandboxStatus', { podSandboxId });
      return [status.network.ip, ...status.network.additionalIps.map(({ ip }) => ip)];
    },
    async runContainer(podSandboxId, sandboxConfig, { name, image, command }) {
      const { containerId } = await call<{ containerId: string }>('CreateContainer', {
        podSandboxId,
        sandboxConfig,
        config: { metadata: { name }, image: { image }, command },
      });
      await call('StartContainer', { containerId });
      return containerId;
    },
    async exec(containerId, cmd) {
      const { exitCode, stdout, stderr } = await call<{ exitCode: number; stdout: Buffer; stderr: Buffer }>(
        'ExecSync',
        { containerId, cmd, timeout: 10 },
      );
      return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
    },
    async stopSandbox(podSandboxId) {
      await call('StopPodSandbox', { podSandboxId });
    },
    async removeSandbox(podSandboxId) {
      await call('RemovePodSandbox', { podSandboxId });
    },
    close: () => client.close(),
  };
}
