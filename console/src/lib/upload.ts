// Uploads a capture and tells how far it is. `fetch` does not tell, so this is an XMLHttpRequest.
//
// Invariant: one upload has one Idempotency-Key, so that a repeated one makes no second capture.
import { Fault, faultOf } from './api/client';
import type { Capture } from './api/types';

export interface Upload {
  done: Promise<Capture>;
  abort: () => void;
}

export function uploadCapture(
  file: File,
  /** The sensor whose rules and protocols it is read with, '' for none; null leaves it to the site. */
  readAs: string | null,
  csrf: string | null,
  onprogress: (share: number) => void,
  make: () => XMLHttpRequest = () => new XMLHttpRequest(),
): Upload {
  const request = make();
  const done = new Promise<Capture>((resolve, reject) => {
    const query = new URLSearchParams({ file: file.name });
    if (readAs !== null) query.set('read_as', readAs);
    request.open('POST', `/api/v1/captures?${query}`);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.setRequestHeader('accept', 'application/json');
    if (csrf) request.setRequestHeader('x-csrf-token', csrf);
    request.setRequestHeader('idempotency-key', crypto.randomUUID());
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onprogress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        resolve(JSON.parse(request.responseText) as Capture);
      } else {
        reject(
          faultOf(request.status, request.responseText, request.getResponseHeader('retry-after')),
        );
      }
    };
    request.onerror = () =>
      reject(new Fault(0, 'unreachable', 'the connection broke off during the upload'));
    request.onabort = () => reject(new Fault(0, 'aborted', 'the upload was stopped'));
    request.send(file);
  });
  return { done, abort: () => request.abort() };
}
