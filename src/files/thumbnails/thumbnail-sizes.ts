// Of what there are thumbnails, and how large they are.

/** Longest sides, pixels. A smaller image is not enlarged. */
export const THUMBNAIL_SIZES = [128, 256, 512] as const;
export type ThumbnailSize = (typeof THUMBNAIL_SIZES)[number];

/** As their bytes show. */
const IMAGE_TYPES = new Set(
  ['jpeg', 'png', 'apng', 'webp', 'gif', 'avif', 'tiff'].map((subtype) => `image/${subtype}`),
);

export function isImage({ mimeType }: { mimeType: string }): boolean {
  return IMAGE_TYPES.has(mimeType);
}
