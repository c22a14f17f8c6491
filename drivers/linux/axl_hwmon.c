// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Temperature and power for the kernel's hardware monitoring. A sensor that does not work,
 * or says what cannot be, is -ENODATA: zero would be a temperature. While the endpoint is
 * reset or asleep reading is -EAGAIN, and once it is gone -ENODEV.
 *
 * Not woken: who reads sensors reads them all the time, and it would never sleep. i915 and
 * xe wake, amdgpu did until people complained. DRM_IOCTL_AXL_TELEMETRY wakes.
 */
#include <linux/hwmon.h>

#include "axl_hwmon.h"
#include "axl_telemetry.h"
#include "axl_watch.h"

static int axl_hwmon_sample(struct axl_device *adev, struct axl_telemetry_sample *sample)
{
	int ret = axl_watch_begin(adev);

	if (ret)
		return ret;
	ret = axl_recovery_usable(adev);
	if (!ret)
		ret = axl_errno(axl_telemetry_read(&adev->os, sample));
	if (!ret)
		axl_lies_tell_sensors(adev, sample->impossible);
	axl_watch_end(adev);
	return ret;
}

static umode_t axl_hwmon_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				    int channel)
{
	return 0444;
}

static int axl_hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
			  long *value)
{
	struct axl_telemetry_sample sample = {};
	int ret = axl_hwmon_sample(dev_get_drvdata(dev), &sample);

	if (ret)
		return ret;
	if (type == hwmon_temp) {
		*value = sample.temperature_millicelsius;
		return sample.valid & AXL_TELEMETRY_VALID_TEMPERATURE_MASK ? 0 : -ENODATA;
	}
	/* In microwatt, of which 32 bits do not hold what the core lets pass. */
	if (check_mul_overflow((long)sample.power_milliwatt, 1000L, value))
		return -EOVERFLOW;
	return sample.valid & AXL_TELEMETRY_VALID_POWER_MASK ? 0 : -ENODATA;
}

static int axl_hwmon_read_string(struct device *dev, enum hwmon_sensor_types type, u32 attr,
				 int channel, const char **text)
{
	*text = type == hwmon_temp ? "endpoint" : "card";
	return 0;
}

static const struct hwmon_channel_info *const axl_hwmon_channels[] = {
	HWMON_CHANNEL_INFO(temp, HWMON_T_INPUT | HWMON_T_LABEL),
	HWMON_CHANNEL_INFO(power, HWMON_P_INPUT | HWMON_P_LABEL),
	NULL,
};

static const struct hwmon_ops axl_hwmon_ops = {
	.is_visible = axl_hwmon_is_visible,
	.read = axl_hwmon_read,
	.read_string = axl_hwmon_read_string,
};

static const struct hwmon_chip_info axl_hwmon_chip = {
	.ops = &axl_hwmon_ops,
	.info = axl_hwmon_channels,
};

void axl_hwmon_add(struct axl_device *adev)
{
	struct device *hwmon;

	if (!IS_REACHABLE(CONFIG_HWMON))
		return;
	/*
	 * Of the PCI device and by devm: it ends after remove(), when reading is -ENODEV, and
	 * before struct axl_device, and waits for who is reading.
	 */
	hwmon = devm_hwmon_device_register_with_info(&adev->pdev->dev, "axl", adev, &axl_hwmon_chip,
						     NULL);
	if (IS_ERR(hwmon))
		pci_warn(adev->pdev, "no sensors in hwmon: error=%ld\n", PTR_ERR(hwmon));
}
