package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
)

// The disks are sparse: what nobody writes takes no room.
const (
	dataBytes  = 4 << 30
	nvmeBytes  = 64 << 20
	stickBytes = 64 << 20

	sectorBytes  = 512
	stickSectors = 2048 // before the stick's one partition
)

func makeBlank(path string, size int64) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("make disk: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make disk: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		_ = f.Close() // the truncation's fault says it all
		return fmt.Errorf("make disk: %w", err)
	}
	return f.Close()
}

// makeData makes the SATA disk, with an ext4 file system all over it.
func makeData(ctx context.Context, path string) error {
	if err := makeBlank(path, dataBytes); err != nil {
		return err
	}
	return tool(ctx, "mke2fs", "-q", "-F", "-t", "ext4", "-L", "RIGDATA", path)
}

// makeStick makes the USB stick as it is bought: an MBR with one FAT partition.
func makeStick(ctx context.Context, path string) error {
	if err := makeBlank(path, stickBytes); err != nil {
		return err
	}
	if err := tool(ctx, "mkfs.vfat", "-n", "RIGSTICK", "--offset", fmt.Sprint(stickSectors), path, fmt.Sprint((stickBytes-stickSectors*sectorBytes)/1024)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("make stick: %w", err)
	}
	const fat32LBA = 0x0c
	entry := []byte{0, 0xfe, 0xff, 0xff, fat32LBA, 0xfe, 0xff, 0xff}
	entry = binary.LittleEndian.AppendUint32(entry, stickSectors)
	entry = binary.LittleEndian.AppendUint32(entry, stickBytes/sectorBytes-stickSectors)
	mbr := make([]byte, sectorBytes)
	copy(mbr[446:], entry)
	mbr[510], mbr[511] = 0x55, 0xaa
	if _, err := f.WriteAt(mbr, 0); err != nil {
		_ = f.Close() // the write's fault says it all
		return fmt.Errorf("make stick: %w", err)
	}
	return f.Close()
}

func tool(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
