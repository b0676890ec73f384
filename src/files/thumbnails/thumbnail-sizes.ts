// Sizes of thumbnails, and the types of images that have thumbnails.

/** Lengths of the longest side, pixels. A smaller image is not enlarged. */
export const THUMBNAIL_SIZES = [128, 256, 512] as const;
export type ThumbnailSize = (typeof THUMBNAIL_SIZES)[number];

/** Types as detected in the bytes. */
const IMAGE_TYPES = new Set(
  ['jpeg', 'png', 'apng', 'webp', 'gif', 'avif', 'tiff'].map((subtype) => `image/${subtype}`),
);

export function isImage({ mimeType }: { mimeType: string }): boolean {
  return IMAGE_TYPES.has(mimeType);
}
