// Requests of a client for jobs: file upload and download, job creation, and waiting for the end.
import type { FileDto } from '../../../src/files/dto/file.dto.js';
import type { JobDto } from '../../../src/workers/api/dto/job.dto.js';
import type { Wire } from '../http/api.js';
import type { Person } from '../server/server.js';
import { until } from '../time/until.js';

export type Job = Wire<JobDto>;

/** Uploads a file and returns its id. */
export async function uploadFile(
  person: Person,
  content: string | Uint8Array<ArrayBuffer>,
  type = 'text/csv',
): Promise<string> {
  const form = new FormData();
  form.append('file', new Blob([content], { type }), 'people.csv');
  const headers = { authorization: `Bearer ${person.accessToken}` };
  const response = await fetch(`${person.api.url}/api/files`, { method: 'POST', headers, body: form });
  if (response.status !== 201) throw new Error(`The upload answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as Wire<FileDto>).id;
}

/** Downloads a file and returns its text and its headers. */
export async function downloadFile(person: Person, id: string): Promise<{ text: string; headers: Headers }> {
  const headers = { authorization: `Bearer ${person.accessToken}` };
  const response = await fetch(`${person.api.url}/api/files/${id}/content`, { headers });
  if (response.status !== 200) throw new Error(`The download answered ${response.status}`);
  return {
    text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await response.arrayBuffer()),
    headers: response.headers,
  };
}

/** Creates a job and returns its id. */
export async function requestJob(person: Person, type: string, payload: object = {}): Promise<string> {
  const { status, body } = await person.api.post<Job>('/api/jobs', { type, payload });
  if (status !== 202) throw new Error(`The request for ${type} answered ${status}: ${JSON.stringify(body)}`);
  return body.id;
}

/** Waits until the job has ended, and returns it. */
export function finishedJob(person: Person, id: string, withinMs = 60_000): Promise<Job> {
  const look = async (): Promise<Job | null> => {
    const { body } = await person.api.get<Job>(`/api/jobs/${id}`);
    return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(body.status) ? body : null;
  };
  return until(look, `job ${id} to be over`, withinMs);
}

export async function runJob(person: Person, type: string, payload: object = {}): Promise<Job> {
  return finishedJob(person, await requestJob(person, type, payload));
}
