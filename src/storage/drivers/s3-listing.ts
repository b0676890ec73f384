// Lists a bucket's content under a prefix in pages: objects, and incomplete multipart uploads.
import {
  ListMultipartUploadsCommand,
  type ListMultipartUploadsOutput,
  ListObjectsCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { S3Error } from './s3-client.js';

export interface ListedObject {
  name: string;
  size: number;
  modifiedAt: Date;
}

export interface UnfinishedUpload extends ListedObject {
  uploadId: string;
}

export class S3Listing {
  /** `options` apply to each request. */
  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly options: { requestTimeout: number },
  ) {}

  /** Uses the older list API of S3, which continues after a name instead of a token: all services support it. */
  async *objects(prefix: string): AsyncGenerator<ListedObject> {
    let Marker: string | undefined;
    do {
      const list = new ListObjectsCommand({ Bucket: this.bucket, Prefix: prefix, Marker });
      const { Contents = [], IsTruncated } = await this.client.send(list, this.options);
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of Contents)
        yield { name: Key, size: Size, modifiedAt: LastModified };
      Marker = IsTruncated ? Contents.at(-1)?.Key : undefined;
    } while (Marker !== undefined);
  }

  /** `size` is 0, because incomplete content is not visible. Yields nothing when the service does not support the request. */
  async *unfinished(prefix: string): AsyncGenerator<UnfinishedUpload> {
    let page: ListMultipartUploadsOutput | null = null;
    do {
      page = await this.unfinishedAfter(prefix, page);
      for (const { Key = '', UploadId = '', Initiated = new Date(0) } of page?.Uploads ?? [])
        yield { name: Key, size: 0, modifiedAt: Initiated, uploadId: UploadId };
    } while (page?.IsTruncated);
  }

  private async unfinishedAfter(
    prefix: string,
    page: ListMultipartUploadsOutput | null,
  ): Promise<ListMultipartUploadsOutput | null> {
    const after = { KeyMarker: page?.NextKeyMarker, UploadIdMarker: page?.NextUploadIdMarker };
    const list = new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: prefix, ...after });
    try {
      return await this.client.send(list, this.options);
    } catch (error) {
      if (error instanceof S3Error && (error.status === 501 || error.status === 405)) return null;
      throw error;
    }
  }
}
